// What any module of Outpost in JavaScript needs: the environment, the session with the manager,
// and what to do when the manager goes away. See proto/outpost/v1/module_host.proto.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

// The .proto files are read at run time; a copy of them stands beside this file.
const {outpost} = grpc.loadPackageDefinition(
  protoLoader.loadSync(
    ['module_host', 'notifications', 'cluster', 'health', 'key_value', 'remote'].map(
      (name) => `outpost/v1/${name}.proto`,
    ),
    {
      includeDirs: [path.join(__dirname, 'proto')],
      keepCase: true, // run_command, as the files have it
      longs: String, // a uint64 does not fit a number
      enums: String,
      defaults: true,
      oneofs: true, // response.message is the name of what is set
    },
  ),
);

const FIRST_DELAY = 100; // ms between attempts to attach
const LONGEST_DELAY = 5000;
const SIGNAL_GRACE = 5000; // ms that SIGTERM leaves for the work in hand
const EXIT_NO_MANAGER = 75; // EX_TEMPFAIL
const EXIT_REFUSED = 78; // EX_CONFIG: the supervisor does not start the module again
const REFUSALS = [
  grpc.status.ALREADY_EXISTS,
  grpc.status.INVALID_ARGUMENT,
  grpc.status.UNAUTHENTICATED,
  grpc.status.FAILED_PRECONDITION,
];

const milliseconds = (duration) => Number(duration.seconds) * 1000 + duration.nanos / 1e6;

function readToken() {
  const number = process.env.OUTPOST_TOKEN_FD;
  if (!number) return '';
  const token = fs.readFileSync(Number(number), 'utf8'); // to its end
  fs.closeSync(Number(number));
  return token;
}

/** A command or call in hand: what calls on its behalf need. */
class Work {
  constructor(session, request) {
    this.session = session;
    this.callId = request.call_id;
    this.deadline = request.timeout ? Date.now() + milliseconds(request.timeout) : Infinity;
    this.abort = new AbortController(); // aborted when nobody waits any more
    this.signal = this.abort.signal;
  }

  /** Calls a method of another module; resolves to what it returned. */
  async callModule(module, method, args) {
    const response = await this.session.call(
      outpost.v1.Remote,
      'Call',
      {module, method, args_json: JSON.stringify(args), parent_call: this.callId},
      this,
    );
    if (response.error) throw new Error(`${response.error.kind}: ${response.error.message}`);
    return JSON.parse(response.result_json);
  }
}

/** One stream, from Register to its end. */
class Session {
  constructor(module) {
    this.module = module;
    this.clients = new Map(); // by service
    this.metadata = new grpc.Metadata();
    this.inHand = new Map(); // Work by the id of a command or call
    this.manager = ''; // its instance, once it has accepted the module
    this.ended = false;
  }

  /** Runs the session; resolves to the error with which it ended, or to null. */
  run() {
    return new Promise((resolve) => {
      let failure = null;
      this.stream = this.client(outpost.v1.ModuleHost).Attach();
      this.stream.on('data', (response) => this.take(response));
      this.stream.on('error', (error) => (failure = error));
      this.stream.on('status', () => {
        this.ended = true;
        for (const work of this.inHand.values()) work.abort.abort();
        for (const client of this.clients.values()) client.close();
        setImmediate(() => resolve(failure));
      });
      this.send({register: this.module.register()});
    });
  }

  send(message) {
    if (!this.ended && this.stream.writable) this.stream.write(message);
  }

  // A channel for each session and service: an old one waits longer and longer before it connects.
  client(Service) {
    if (!this.clients.has(Service)) {
      this.clients.set(
        Service,
        new Service(this.module.address, grpc.credentials.createInsecure(), {
          'grpc.max_receive_message_length': -1,
        }),
      );
    }
    return this.clients.get(Service);
  }

  /** Calls a service of the manager's, as this module. */
  call(Service, method, request, work = null) {
    const options = work ? {deadline: work.deadline} : {};
    return new Promise((resolve, reject) => {
      const call = this.client(Service)[method](request, this.metadata, options, (error, response) =>
        error ? reject(new Error(error.details)) : resolve(response),
      );
      work?.signal.addEventListener('abort', () => call.cancel(), {once: true});
    });
  }

  log(level, message) {
    this.send({log: {records: [{level: `LOG_LEVEL_${level.toUpperCase()}`, message}]}});
  }

  /** Does what one message says. One that this program does not know is no case here: ignored. */
  take(response) {
    switch (response.message) {
      case 'configure':
        this.configure(response.configure);
        break;
      case 'serve':
        this.module.serveFor(this);
        break;
      case 'run_command':
        this.begin(response.run_command, (work, run) => this.runCommand(work, run));
        break;
      case 'call':
        this.begin(response.call, (work, call) => this.runCall(work, call));
        break;
      case 'cancel': // it is answered all the same: the manager counts what is in hand
        this.inHand.get(response.cancel.id)?.abort.abort();
        break;
      case 'config_changed':
        this.module.setOptions(response.config_changed.options);
        break;
      case 'ping':
        this.send({heartbeat: {sequence: response.ping.sequence}});
        break;
      case 'drain':
        this.whenIdle().then(() => this.send({drained: {}}));
        break;
      case 'shutdown':
        this.module.stop(milliseconds(response.shutdown.grace));
        break;
    }
  }

  configure(configure) {
    const module = this.module;
    module.configured = Date.now();
    module.orphanGrace = configure.orphan_grace ? milliseconds(configure.orphan_grace) : Infinity;
    module.setOptions(configure.options);
    this.manager = configure.manager_instance;
    this.metadata.set('outpost-session', configure.session_key);
    this.send({configured: {}});
    this.subscribe();
    if (module.instance && module.instance !== this.manager) module.newManager(this);
    module.instance = this.manager;
  }

  /** Hands notifications to the module, one at a time, and acknowledges what it has handled. */
  async subscribe() {
    const stream = this.client(outpost.v1.Notifications).Subscribe(
      {types: this.module.notifyTypes, explicit_acks: true},
      this.metadata,
    );
    let id = '';
    try {
      for await (const response of stream) {
        if (response.message === 'subscribed') {
          id = response.subscribed.subscription_id;
        } else if (response.message === 'notification') {
          await this.module.notify(response.notification);
          const {sequence} = response.notification;
          this.send({notification_ack: {subscription_id: id, sequence}});
        }
      }
    } catch (error) {
      this.log('error', `no notifications any more: ${error.details}`);
    }
  }

  /** Runs one command or call beside the others. How many there are, the manager sees to. */
  async begin(request, run) {
    const work = new Work(this, request);
    this.inHand.set(request.id, work);
    const timer =
      work.deadline < Infinity &&
      setTimeout(() => work.abort.abort(), work.deadline - Date.now());
    this.send(await run(work, request));
    clearTimeout(timer);
    this.inHand.delete(request.id);
    if (this.inHand.size === 0) this.idle?.();
  }

  whenIdle() {
    return new Promise((resolve) => (this.inHand.size ? (this.idle = resolve) : resolve()));
  }

  async runCommand(work, run) {
    let result;
    try {
      const command = this.module.commands[run.prefix];
      if (!command) throw new Error(`there is no command "${run.prefix}"`);
      const inbuf = run.has_inbuf ? run.inbuf : null;
      result = await command.run(JSON.parse(run.command_json), work, inbuf);
    } catch (error) {
      const number = error.errno ?? 22; // EINVAL
      result = {retval: -number, stderr: error.errno ? error.message : error.stack};
    }
    return {command_result: {id: run.id, result}};
  }

  async runCall(work, call) {
    const result = {id: call.id};
    const method = this.module.methods[call.method];
    if (!method) {
      const message = `there is no method "${call.method}"`;
      return {call_result: {...result, error: {kind: 'METHOD_NOT_FOUND', message}}};
    }
    let kind = 'RAISED';
    try {
      const args = JSON.parse(call.args_json || '[]');
      const kwargs = JSON.parse(call.kwargs_json || '{}');
      const value = await method(args, kwargs, work);
      kind = 'NOT_JSON';
      result.result_json = JSON.stringify(value ?? null);
    } catch (error) {
      result.error = {kind, type: error.name, message: error.message, traceback: error.stack};
    }
    return {call_result: result};
  }

  /** Half-closes the stream when the work in hand is done, or half of the grace is over. */
  async end(grace) {
    const idle = Promise.all([this.module.served, this.whenIdle()]);
    await Promise.race([idle, new Promise((resolve) => setTimeout(resolve, grace / 2))]);
    this.stream.end();
    setTimeout(() => this.stream.cancel(), grace / 4 + 250); // should the manager not end it
  }
}

/**
 * A module: a subclass has `commands`, `methods`, `options` and `notifyTypes`, and the methods
 * `serve`, `notify` and `newManager`.
 */
class Module {
  constructor(name) {
    this.name = process.env.OUTPOST_MODULE || name;
    this.address = process.env.OUTPOST_ADDRESS || 'unix:/run/outpost/outpost.sock';
    this.token = readToken();
    this.values = new Map(); // of the options, as text
    this.stopping = new AbortController();
    this.configured = 0; // when a manager accepted the module last
    this.instance = ''; // which one that was
    this.orphanGrace = Infinity;
    this.status = null; // what serve() does
    this.served = Promise.resolve();
  }

  register() {
    return {
      name: this.name,
      token: this.token,
      protocol_versions: [1],
      sdk: `none (Node.js ${process.version})`,
      commands: Object.values(this.commands),
      options: this.options,
      notify_types: this.notifyTypes,
      can_run: true,
      max_concurrency: this.maxConcurrency,
      pid: process.pid,
      has_serve: true,
    };
  }

  setOptions(values) {
    for (const {name, value, _value} of values) {
      // _value: whether the optional field `value` is there.
      if (_value) this.values.set(name, value);
      else this.values.delete(name);
    }
  }

  /** Starts serve(), once in the life of the process, and tells each session how it is. */
  serveFor(session) {
    this.current = session;
    if (!this.status) {
      this.status = {state: 'STATE_RUNNING'};
      this.served = this.serve(this.stopping.signal)
        .then(() => ({state: 'STATE_RETURNED'}))
        .catch((error) => ({state: 'STATE_FAILED', error: String(error), traceback: error.stack}))
        .then((status) => {
          this.status = status;
          if (!this.stopping.signal.aborted) this.current.send({serve_status: status});
        });
    }
    session.send({serve_status: this.status});
  }

  /** Makes the module end: serve() is to return, and what is in hand has this many milliseconds. */
  stop(grace) {
    if (this.stopping.signal.aborted) return;
    this.grace = grace;
    this.stopping.abort();
  }

  /** Attaches, again and again, until the module is to end; resolves to the exit status. */
  async run() {
    const {signal} = this.stopping;
    for (const name of ['SIGTERM', 'SIGINT']) process.on(name, () => this.stop(SIGNAL_GRACE));
    let lost = Date.now(); // since when there is no manager
    for (let attempt = 0; ; attempt++) {
      const begin = Date.now();
      const session = new Session(this);
      const end = () => session.end(this.grace);
      signal.addEventListener('abort', end);
      const error = await session.run();
      signal.removeEventListener('abort', end);
      if (signal.aborted) return 0;
      if (REFUSALS.includes(error?.code)) {
        console.error(`module ${this.name}: ${error.details}`);
        return EXIT_REFUSED;
      }
      if (this.configured >= begin) {
        lost = Date.now();
        if (lost - begin > LONGEST_DELAY) attempt = 0; // only what lasted is worth a quick attempt
      }
      const ceiling = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempt);
      const left = lost + this.orphanGrace - Date.now();
      if (left <= 0) {
        console.error(`module ${this.name}: no manager for ${this.orphanGrace} ms`);
        return EXIT_NO_MANAGER;
      }
      const pause = Math.min(left, ceiling * (0.75 + 0.25 * Math.random()));
      await new Promise((resolve) => {
        setTimeout(resolve, pause);
        signal.addEventListener('abort', resolve, {once: true});
      });
      if (signal.aborted) return 0;
    }
  }
}

module.exports = {Module, outpost: outpost.v1};

// The module of tests/conformance/README.md, which says what each command does; in JavaScript,
// written from the .proto files alone.
'use strict';

const os = require('node:os');
const {Module, outpost} = require('./session');

/** An error that is an errno: failed(os.constants.errno.ENOENT, 'there is no such key'). */
const failed = (errno, message) => Object.assign(new Error(message), {errno});
const {ECANCELED, EIO, ENOENT} = os.constants.errno;

class Conformance extends Module {
  maxConcurrency = 3;
  notifyTypes = ['osd_map', 'config'];
  options = [
    {
      name: 'greeting',
      type: 'OPTION_TYPE_STR',
      default_value: 'hello',
      runtime: true,
      description: 'any text',
    },
    {
      name: 'limit',
      type: 'OPTION_TYPE_INT',
      default_value: '3',
      min: '1',
      max: '10',
      runtime: true,
      description: 'a small number',
    },
  ];
  methods = {
    echo: (args, kwargs) => [args, kwargs],
    fail: ([text]) => {
      throw new Error(text);
    },
    relay: ([module, method, ...args], kwargs, work) => work.callModule(module, method, args),
  };
  commands = {};
  waits = new Set(); // functions that end one
  cancelled = 0;
  heard = [];
  held = null; // a promise, while notifications are not handled
  checks = [];
  osdMap = {version: '0'};

  constructor() {
    super('conformance');
    this.add(
      'echo',
      'Print the arguments',
      ({prefix, format, ...given}) => ({stdout: JSON.stringify(given)}),
      'name=text,type=CephString name=count,type=CephInt,range=0|100,req=false' +
        ' name=ratio,type=CephFloat,req=false name=flag,type=CephBool,req=false' +
        ' name=color,type=CephChoices,strings=red|green|blue,req=false' +
        ' name=words,type=CephString,n=N,req=false',
    );
    this.add(
      'fail',
      'Fail with an errno',
      ({number}) => ({
        retval: -number,
        stdout: 'half of it',
        stderr: `failed with ${number}, as asked`,
      }),
      'name=number,type=CephInt,range=1|133',
    );
    this.add('json', 'Print JSON', () => ({
      stdout: JSON.stringify({
        integer: 42,
        float: 2.5,
        text: 'Grüße, 世界',
        list: [true, null, 'x'],
        object: {},
      }),
    }));
    this.add('file', 'Tell what the input file holds', (given, work, inbuf) => {
      const sum = inbuf?.reduce((total, byte) => total + byte, 0);
      return {stdout: inbuf ? `${inbuf.length} bytes, adding up to ${sum}` : 'no file'};
    });
    this.addWaits();
    this.addServices();
    this.addNotifications();
    this.add(
      'log',
      'Log a line',
      ({level, text}, work) => {
        work.session.log(level, text);
        return {};
      },
      'name=level,type=CephChoices,strings=debug|info|warning|error name=text,type=CephString',
    );
  }

  add(name, description, run, args = '') {
    const prefix = `conformance ${name}`;
    const signature = `${prefix} ${args}`.trim();
    this.commands[prefix] = {signature, description, permissions: 'rw', run};
  }

  addWaits() {
    this.add('wait', 'Wait until release, or until nobody waits for it', async (given, work) => {
      let end;
      const ended = new Promise((resolve) => (end = resolve));
      this.waits.add(end);
      work.signal.addEventListener('abort', () => end(''));
      this.stopping.signal.addEventListener('abort', () => end('the module ends'), {once: true});
      const stdout = await ended;
      this.waits.delete(end);
      if (stdout) return {stdout};
      this.cancelled++;
      throw failed(ECANCELED, 'nobody waits any more');
    });
    this.add('release', 'End every wait', () => {
      for (const end of this.waits) end('released');
      return {};
    });
    this.add('waits', 'Tell how many wait, and how many were cancelled', () => ({
      stdout: JSON.stringify({waiting: this.waits.size, cancelled: this.cancelled}),
    }));
  }

  addServices() {
    this.add('osd-epoch', 'Print the epoch of the OSD map', async (given, work) => {
      const {manager} = work.session;
      // Versions of different managers can't be compared.
      const known = this.osdMap.manager === manager ? this.osdMap : {manager, version: '0'};
      const request = {name: 'osd_map', if_newer_than: known.version};
      const response = await work.session.call(outpost.Cluster, 'Get', request, work);
      if (!response.unchanged) {
        known.version = response.version;
        known.epoch = JSON.parse(response.json).epoch;
      }
      this.osdMap = known;
      return {stdout: String(known.epoch)};
    });
    this.add(
      'health',
      'Raise or clear a health check',
      async ({severity, summary}, work) => {
        const check = {code: 'CONFORMANCE_CHECK', summary, count: 1, detail: ['as asked']};
        check.severity = `SEVERITY_${severity.toUpperCase()}`;
        this.checks = severity === 'ok' ? [] : [check];
        await this.setHealth(work.session);
        return {};
      },
      'name=severity,type=CephChoices,strings=ok|warning|error' +
        ' name=summary,type=CephString,req=false',
    );
    const keyValue = (work, method, request) =>
      work.session.call(outpost.KeyValue, method, request, work);
    this.add(
      'put',
      'Set a key',
      async ({key, value}, work) => {
        await keyValue(work, 'Put', {key, value: Buffer.from(value)});
        return {};
      },
      'name=key,type=CephString name=value,type=CephString',
    );
    this.add(
      'get',
      'Print the value of a key',
      async ({key}, work) => {
        const {_value, value} = await keyValue(work, 'Get', {key});
        if (!_value) throw failed(ENOENT, `there is no key "${key}"`);
        return {stdout: value.toString()};
      },
      'name=key,type=CephString',
    );
    this.add(
      'delete',
      'Remove a key',
      async ({key}, work) => {
        await keyValue(work, 'Delete', {key});
        return {};
      },
      'name=key,type=CephString',
    );
    this.add(
      'option',
      'Print the value of an option',
      ({name}) => {
        if (!this.values.has(name)) throw failed(ENOENT, `option "${name}" has no value`);
        return {stdout: this.values.get(name)};
      },
      'name=name,type=CephString',
    );
    this.add(
      'call',
      'Call a method of a module',
      async ({module, method, args = []}, work) => {
        const result = await work.callModule(module, method, args).catch((error) => {
          throw failed(EIO, error.message);
        });
        return {stdout: JSON.stringify(result)};
      },
      'name=module,type=CephString name=method,type=CephString' +
        ' name=args,type=CephString,n=N,req=false',
    );
  }

  addNotifications() {
    this.add('heard', 'Tell which notifications came', () => ({
      stdout: JSON.stringify(this.heard),
    }));
    this.add(
      'notifications',
      'Handle notifications, or not',
      ({what}) => {
        this.go?.();
        this.held = what === 'hold' ? new Promise((resolve) => (this.go = resolve)) : null;
        return {};
      },
      'name=what,type=CephChoices,strings=hold|go',
    );
  }

  /** The long-running part: there is nothing to do but to wait for the end. */
  serve(signal) {
    return new Promise((resolve) => signal.addEventListener('abort', resolve));
  }

  async notify({type, id}) {
    await this.held;
    this.heard.push([type, id]);
  }

  /** Another manager than before does not know of the health checks. */
  newManager(session) {
    this.setHealth(session).catch((error) => session.log('error', error.message));
  }

  setHealth(session) {
    return session.call(outpost.Health, 'Set', {checks: this.checks});
  }
}

new Conformance().run().then((status) => process.exit(status));

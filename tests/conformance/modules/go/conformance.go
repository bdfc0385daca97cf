package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"syscall"

	pb "outpost.example/conformance/outpostv1"
)

// conformance is the module of tests/conformance/README.md, which says what each command does.
type conformance struct {
	*Module

	mu         sync.Mutex
	released   chan struct{} // closed by the next `release`
	waiting    int
	cancelled  int
	osdMap     osdMap
	checks     []*pb.HealthCheck
	heard      [][2]string
	held       chan struct{} // closed: notifications are handled
	heldIsOpen bool
}

// osdMap is what was read of the cluster's OSD map, and its version.
type osdMap struct {
	Epoch   int64  `json:"epoch"`
	manager string // whose version it is
	version uint64
}

// NewConformance makes the module.
func NewConformance(name string) *Module {
	open := make(chan struct{})
	close(open)
	c := &conformance{released: make(chan struct{}), held: open, heldIsOpen: true}
	text := func(value string) *string { return &value }
	c.Module = &Module{
		Name:           name,
		MaxConcurrency: 3,
		Options: []*pb.OptionDescriptor{
			{Name: "greeting", Type: pb.OptionType_OPTION_TYPE_STR, DefaultValue: text("hello"), Runtime: true,
				Description: "any text"},
			{Name: "limit", Type: pb.OptionType_OPTION_TYPE_INT, DefaultValue: text("3"), Min: text("1"),
				Max: text("10"), Runtime: true, Description: "a small number"},
		},
		NotifyTypes: []string{"osd_map", "config"},
		Notify:      c.notify,
		Serve: func(stop <-chan struct{}) error {
			<-stop
			return nil
		},
		NewManager: func(ctx context.Context, s *Session) { _ = c.setHealth(ctx, s) },
		Methods:    map[string]Method{"echo": c.echoMethod, "fail": c.failMethod, "relay": c.relayMethod},
		Commands:   map[string]Command{},
		stopping:   make(chan struct{}),
		options:    map[string]*pb.OptionValue{},
	}
	c.add("echo", "name=text,type=CephString name=count,type=CephInt,range=0|100,req=false "+
		"name=ratio,type=CephFloat,req=false name=flag,type=CephBool,req=false "+
		"name=color,type=CephChoices,strings=red|green|blue,req=false name=words,type=CephString,n=N,req=false",
		"Print the arguments", c.echo)
	c.add("fail", "name=number,type=CephInt,range=1|133", "Fail with an errno", c.fail)
	c.add("json", "", "Print JSON", c.json)
	c.add("file", "", "Tell what the input file holds", c.file)
	c.add("wait", "", "Wait until release, or until nobody waits for it", c.wait)
	c.add("release", "", "End every wait", c.release)
	c.add("waits", "", "Tell how many wait, and how many were cancelled", c.waits)
	c.add("osd-epoch", "", "Print the epoch of the OSD map", c.osdEpoch)
	c.add("health", "name=severity,type=CephChoices,strings=ok|warning|error name=summary,type=CephString,req=false",
		"Raise or clear a health check", c.health)
	c.add("put", "name=key,type=CephString name=value,type=CephString", "Set a key", c.put)
	c.add("get", "name=key,type=CephString", "Print the value of a key", c.get)
	c.add("delete", "name=key,type=CephString", "Remove a key", c.delete)
	c.add("option", "name=name,type=CephString", "Print the value of an option", c.option)
	c.add("call", "name=module,type=CephString name=method,type=CephString name=args,type=CephString,n=N,req=false",
		"Call a method of a module", c.call)
	c.add("heard", "", "Tell which notifications came", c.heardCommand)
	c.add("notifications", "name=what,type=CephChoices,strings=hold|go", "Handle notifications, or not", c.notifications)
	c.add("log", "name=level,type=CephChoices,strings=debug|info|warning|error name=text,type=CephString",
		"Log a line", c.log)
	return c.Module
}

type handler func(context.Context, *Session, *pb.RunCommand) *pb.CommandResult

func (c *conformance) add(name, arguments, description string, run handler) {
	prefix := "conformance " + name
	signature := prefix
	if arguments != "" {
		signature += " " + arguments
	}
	c.Commands[prefix] = Command{Signature: signature, Description: description, Permissions: "rw", Run: run}
}

// Failed is the result of a command that failed; `number` is an errno.
func Failed(number syscall.Errno, format string, args ...any) *pb.CommandResult {
	return &pb.CommandResult{Retval: -int32(number), Stderr: fmt.Sprintf(format, args...)}
}

// outcome is the result of a command whose output is a text, or which failed.
func outcome(text string, err error) *pb.CommandResult {
	if err != nil {
		return Failed(syscall.EIO, "%v", err)
	}
	return &pb.CommandResult{Stdout: text}
}

func printed(value any) *pb.CommandResult {
	text, err := json.Marshal(value)
	return outcome(string(text), err)
}

// arguments reads the arguments of a command into a struct. They fit its signature: the manager
// has seen to that.
func arguments(run *pb.RunCommand, into any) {
	if err := json.Unmarshal([]byte(run.CommandJson), into); err != nil {
		panic(fmt.Sprintf("%s: %v: %s", run.Prefix, err, run.CommandJson))
	}
}

func (c *conformance) echo(_ context.Context, _ *Session, run *pb.RunCommand) *pb.CommandResult {
	var given map[string]json.RawMessage
	arguments(run, &given)
	delete(given, "prefix")
	delete(given, "format")
	return printed(given)
}

func (c *conformance) fail(_ context.Context, _ *Session, run *pb.RunCommand) *pb.CommandResult {
	var given struct{ Number int32 }
	arguments(run, &given)
	return &pb.CommandResult{Retval: -given.Number, Stdout: "half of it",
		Stderr: fmt.Sprintf("failed with %d, as asked", given.Number)}
}

func (c *conformance) json(context.Context, *Session, *pb.RunCommand) *pb.CommandResult {
	return printed(map[string]any{"integer": 42, "float": 2.5, "text": "Grüße, 世界",
		"list": []any{true, nil, "x"}, "object": map[string]any{}})
}

func (c *conformance) file(_ context.Context, _ *Session, run *pb.RunCommand) *pb.CommandResult {
	if !run.HasInbuf {
		return outcome("no file", nil)
	}
	sum := 0
	for _, b := range run.Inbuf {
		sum += int(b)
	}
	return outcome(fmt.Sprintf("%d bytes, adding up to %d", len(run.Inbuf), sum), nil)
}

func (c *conformance) wait(ctx context.Context, _ *Session, _ *pb.RunCommand) *pb.CommandResult {
	c.mu.Lock()
	c.waiting++
	released := c.released
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.waiting--
		c.mu.Unlock()
	}()
	select {
	case <-released:
		return outcome("released", nil)
	case <-c.stopping:
		return outcome("the module ends", nil)
	case <-ctx.Done():
		c.mu.Lock()
		c.cancelled++
		c.mu.Unlock()
		return Failed(syscall.ECANCELED, "nobody waits any more: %v", ctx.Err())
	}
}

func (c *conformance) release(context.Context, *Session, *pb.RunCommand) *pb.CommandResult {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.released)
	c.released = make(chan struct{})
	return outcome("", nil)
}

func (c *conformance) waits(context.Context, *Session, *pb.RunCommand) *pb.CommandResult {
	c.mu.Lock()
	defer c.mu.Unlock()
	return printed(map[string]int{"waiting": c.waiting, "cancelled": c.cancelled})
}

func (c *conformance) osdEpoch(ctx context.Context, s *Session, _ *pb.RunCommand) *pb.CommandResult {
	c.mu.Lock()
	known := c.osdMap
	c.mu.Unlock()
	if known.manager != s.manager {
		known = osdMap{manager: s.manager} // versions of different managers can't be compared
	}
	response, err := pb.NewClusterClient(s.Conn).Get(ctx, &pb.ClusterGetRequest{
		Name: "osd_map", IfNewerThan: known.version})
	if err == nil && !response.Unchanged {
		known.version = response.Version
		err = json.Unmarshal([]byte(response.Json), &known)
	}
	if err == nil {
		c.mu.Lock()
		c.osdMap = known
		c.mu.Unlock()
	}
	return outcome(strconv.FormatInt(known.Epoch, 10), err)
}

func (c *conformance) health(ctx context.Context, s *Session, run *pb.RunCommand) *pb.CommandResult {
	var given struct{ Severity, Summary string }
	arguments(run, &given)
	check := &pb.HealthCheck{Code: "CONFORMANCE_CHECK", Summary: given.Summary, Count: 1,
		Severity: pb.Severity_SEVERITY_WARNING, Detail: []string{"as asked"}}
	if given.Severity == "error" {
		check.Severity = pb.Severity_SEVERITY_ERROR
	}
	c.mu.Lock()
	c.checks = []*pb.HealthCheck{check}
	if given.Severity == "ok" {
		c.checks = nil
	}
	c.mu.Unlock()
	return outcome("", c.setHealth(ctx, s))
}

// setHealth tells the manager of the checks: when they change, and when it is another manager.
func (c *conformance) setHealth(ctx context.Context, s *Session) error {
	c.mu.Lock()
	checks := c.checks
	c.mu.Unlock()
	_, err := pb.NewHealthClient(s.Conn).Set(ctx, &pb.HealthSetRequest{Checks: checks})
	return err
}

func (c *conformance) put(ctx context.Context, s *Session, run *pb.RunCommand) *pb.CommandResult {
	var given struct{ Key, Value string }
	arguments(run, &given)
	_, err := pb.NewKeyValueClient(s.Conn).Put(ctx, &pb.KeyValuePutRequest{Key: given.Key, Value: []byte(given.Value)})
	return outcome("", err)
}

func (c *conformance) get(ctx context.Context, s *Session, run *pb.RunCommand) *pb.CommandResult {
	var given struct{ Key string }
	arguments(run, &given)
	response, err := pb.NewKeyValueClient(s.Conn).Get(ctx, &pb.KeyValueGetRequest{Key: given.Key})
	if err == nil && response.Value == nil {
		return Failed(syscall.ENOENT, "there is no key %q", given.Key)
	}
	return outcome(string(response.GetValue()), err)
}

func (c *conformance) delete(ctx context.Context, s *Session, run *pb.RunCommand) *pb.CommandResult {
	var given struct{ Key string }
	arguments(run, &given)
	_, err := pb.NewKeyValueClient(s.Conn).Delete(ctx, &pb.KeyValueDeleteRequest{Key: given.Key})
	return outcome("", err)
}

func (c *conformance) option(_ context.Context, _ *Session, run *pb.RunCommand) *pb.CommandResult {
	var given struct{ Name string }
	arguments(run, &given)
	value, found := c.Option(given.Name)
	if !found {
		return Failed(syscall.ENOENT, "option %q has no value", given.Name)
	}
	return outcome(value, nil)
}

func (c *conformance) call(ctx context.Context, s *Session, run *pb.RunCommand) *pb.CommandResult {
	var given struct {
		Module, Method string
		Args           []any
	}
	arguments(run, &given)
	result, err := s.CallModule(ctx, given.Module, given.Method, given.Args)
	return outcome(string(result), err)
}

func (c *conformance) echoMethod(_ context.Context, _ *Session, args []any, kwargs map[string]any) (any, error) {
	return []any{append([]any{}, args...), kwargs}, nil
}

func (c *conformance) failMethod(_ context.Context, _ *Session, args []any, _ map[string]any) (any, error) {
	return nil, errors.New(fmt.Sprint(args...))
}

// relayMethod calls another method: relay(module, method, args…).
func (c *conformance) relayMethod(ctx context.Context, s *Session, args []any, _ map[string]any) (any, error) {
	if len(args) < 2 {
		return nil, errors.New("relay takes a module, a method, and its arguments")
	}
	return s.CallModule(ctx, fmt.Sprint(args[0]), fmt.Sprint(args[1]), args[2:])
}

func (c *conformance) notify(n *pb.Notification) {
	c.mu.Lock()
	held := c.held
	c.mu.Unlock()
	select {
	case <-held:
	case <-c.stopping:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, [2]string{n.Type, n.Id})
}

func (c *conformance) heardCommand(context.Context, *Session, *pb.RunCommand) *pb.CommandResult {
	c.mu.Lock()
	defer c.mu.Unlock()
	return printed(append([][2]string{}, c.heard...))
}

func (c *conformance) notifications(_ context.Context, _ *Session, run *pb.RunCommand) *pb.CommandResult {
	var given struct{ What string }
	arguments(run, &given)
	c.mu.Lock()
	defer c.mu.Unlock()
	if hold := given.What == "hold"; hold && c.heldIsOpen {
		c.held, c.heldIsOpen = make(chan struct{}), false
	} else if !hold && !c.heldIsOpen {
		close(c.held)
		c.heldIsOpen = true
	}
	return outcome("", nil)
}

func (c *conformance) log(_ context.Context, s *Session, run *pb.RunCommand) *pb.CommandResult {
	var given struct{ Level, Text string }
	arguments(run, &given)
	s.Log(map[string]pb.LogLevel{
		"debug":   pb.LogLevel_LOG_LEVEL_DEBUG,
		"info":    pb.LogLevel_LOG_LEVEL_INFO,
		"warning": pb.LogLevel_LOG_LEVEL_WARNING,
		"error":   pb.LogLevel_LOG_LEVEL_ERROR,
	}[given.Level], given.Text)
	return outcome("", nil)
}

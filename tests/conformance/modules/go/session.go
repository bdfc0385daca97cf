package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "outpost.example/conformance/outpostv1"
)

// Module is what a program offers to a manager, and its state over all sessions.
type Module struct {
	Name           string
	MaxConcurrency uint32
	Commands       map[string]Command // by prefix
	Methods        map[string]Method
	Options        []*pb.OptionDescriptor
	NotifyTypes    []string
	Serve          func(stop <-chan struct{}) error
	Notify         func(*pb.Notification)          // in order, one at a time
	NewManager     func(context.Context, *Session) // another one than before: say again what it must know

	stopping chan struct{} // closed when the module is to end
	stop     sync.Once
	grace    time.Duration // how long the work in hand has then
	serving  sync.WaitGroup

	// Only attach changes these.
	configured  time.Time // when a manager accepted the module last
	instance    string    // which one that was
	orphanGrace time.Duration

	mu      sync.Mutex
	options map[string]*pb.OptionValue
	status  *pb.ServeStatus // nil: Serve was not asked for yet
	current *Session        // to which a change of status is told
}

// Command is a command of the module. Run's context ends when nobody waits for it any more, and
// carries what calls on behalf of the command need.
type Command struct {
	Signature, Description, Permissions string
	Run                                 func(context.Context, *Session, *pb.RunCommand) *pb.CommandResult
}

// Method is what other modules call.
type Method func(ctx context.Context, s *Session, args []any, kwargs map[string]any) (any, error)

// parentCall is the key under which a context has the id of the command or call in hand: calls of
// other modules on its behalf tell it to the manager.
type parentCall struct{}

// Session is one stream, from Register to its end.
type Session struct {
	Module  *Module
	Conn    *grpc.ClientConn
	manager string // its instance, once it has accepted the module
	stream  pb.ModuleHost_AttachClient
	sending sync.Mutex
	working sync.WaitGroup // the commands and calls in hand

	mu     sync.Mutex
	cancel map[uint64]context.CancelFunc // by the id of a command or call in hand
}

// attach opens a session and does what the manager says until it ends.
func (m *Module) attach(address, token string) error {
	// A channel for each session: an old one waits longer and longer before it connects again.
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := pb.NewModuleHostClient(conn).Attach(ctx)
	if err != nil {
		return err
	}
	s := &Session{Module: m, Conn: conn, stream: stream, cancel: map[uint64]context.CancelFunc{}}
	s.send(&pb.AttachRequest{Message: &pb.AttachRequest_Register{Register: m.register(token)}})
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-m.stopping:
			s.end(cancel)
		case <-ended:
		}
	}()
	for {
		response, err := stream.Recv()
		if err != nil {
			return err // io.EOF, or a status
		}
		ctx = s.take(ctx, response)
	}
}

// register tells all that the manager is to know; it is the same for each session.
func (m *Module) register(token string) *pb.Register {
	r := &pb.Register{
		Name:             m.Name,
		Token:            token,
		ProtocolVersions: []uint32{1},
		Sdk:              "none (Go)",
		Options:          m.Options,
		NotifyTypes:      m.NotifyTypes,
		CanRun:           true,
		MaxConcurrency:   m.MaxConcurrency,
		Pid:              int64(os.Getpid()),
		HasServe:         m.Serve != nil,
	}
	for _, c := range m.Commands {
		r.Commands = append(r.Commands, &pb.CommandDescriptor{
			Signature: c.Signature, Description: c.Description, Permissions: c.Permissions})
	}
	return r
}

// take does what one message says, and never waits. A message or field that this program does not
// know is no case here: it is ignored. The context that it returns is that of later messages.
func (s *Session) take(ctx context.Context, response *pb.AttachResponse) context.Context {
	switch message := response.Message.(type) {
	case *pb.AttachResponse_Configure:
		return s.configure(ctx, message.Configure)
	case *pb.AttachResponse_Serve:
		s.Module.serveFor(s)
	case *pb.AttachResponse_RunCommand:
		run := message.RunCommand
		s.begin(ctx, run.Id, run.CallId, run.Timeout, func(ctx context.Context) {
			result := s.Module.runCommand(ctx, s, run)
			s.send(&pb.AttachRequest{Message: &pb.AttachRequest_CommandResult{
				CommandResult: &pb.RunCommandResult{Id: run.Id, Result: result}}})
		})
	case *pb.AttachResponse_Call:
		call := message.Call
		s.begin(ctx, call.Id, call.CallId, call.Timeout, func(ctx context.Context) {
			s.send(&pb.AttachRequest{Message: &pb.AttachRequest_CallResult{
				CallResult: s.Module.runCall(ctx, s, call)}})
		})
	case *pb.AttachResponse_Cancel:
		s.mu.Lock()
		if cancel, found := s.cancel[message.Cancel.Id]; found {
			cancel() // it is answered all the same: the manager counts what is in hand
		}
		s.mu.Unlock()
	case *pb.AttachResponse_ConfigChanged:
		s.Module.setOptions(message.ConfigChanged.Options)
	case *pb.AttachResponse_Ping:
		s.send(&pb.AttachRequest{Message: &pb.AttachRequest_Heartbeat{
			Heartbeat: &pb.Heartbeat{Sequence: message.Ping.Sequence}}})
	case *pb.AttachResponse_Drain:
		go func() {
			s.working.Wait()
			s.send(&pb.AttachRequest{Message: &pb.AttachRequest_Drained{Drained: &pb.Drained{}}})
		}()
	case *pb.AttachResponse_Shutdown:
		s.Module.Stop(message.Shutdown.Grace.AsDuration())
	}
	return ctx
}

// configure takes Configure, and answers it.
func (s *Session) configure(ctx context.Context, c *pb.Configure) context.Context {
	m := s.Module
	m.setOptions(c.Options)
	m.orphanGrace = c.OrphanGrace.AsDuration()
	again := m.instance != "" && m.instance != c.ManagerInstance
	m.instance = c.ManagerInstance
	s.manager = c.ManagerInstance
	m.configured = time.Now()
	s.send(&pb.AttachRequest{Message: &pb.AttachRequest_Configured{Configured: &pb.Configured{}}})
	// From now on, calls that are made with this context are this module's.
	ctx = metadata.AppendToOutgoingContext(ctx, "outpost-session", c.SessionKey)
	go s.subscribe(ctx)
	if again && m.NewManager != nil {
		go m.NewManager(ctx, s)
	}
	return ctx
}

// subscribe hands notifications to the module, and acknowledges what it has handled.
func (s *Session) subscribe(ctx context.Context) {
	stream, err := pb.NewNotificationsClient(s.Conn).Subscribe(ctx, &pb.SubscribeRequest{
		Types: s.Module.NotifyTypes, ExplicitAcks: true})
	var subscription uint64
	for err == nil {
		var response *pb.SubscribeResponse
		if response, err = stream.Recv(); err != nil {
			break
		}
		switch message := response.Message.(type) {
		case *pb.SubscribeResponse_Subscribed:
			subscription = message.Subscribed.SubscriptionId
		case *pb.SubscribeResponse_Notification:
			s.Module.Notify(message.Notification)
			s.send(&pb.AttachRequest{Message: &pb.AttachRequest_NotificationAck{
				NotificationAck: &pb.NotificationAck{
					SubscriptionId: subscription, Sequence: message.Notification.Sequence}}})
		}
	}
	if ctx.Err() == nil {
		s.Log(pb.LogLevel_LOG_LEVEL_ERROR, fmt.Sprintf("no notifications any more: %v", err))
	}
}

// begin runs one command or call beside the others. How many there are, the manager sees to.
func (s *Session) begin(ctx context.Context, id uint64, callID string, timeout *durationpb.Duration, work func(context.Context)) {
	ctx = context.WithValue(ctx, parentCall{}, callID)
	cancel := context.CancelFunc(nil)
	if timeout != nil {
		ctx, cancel = context.WithTimeout(ctx, timeout.AsDuration())
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	s.mu.Lock()
	s.cancel[id] = cancel
	s.mu.Unlock()
	s.working.Add(1)
	go func() {
		defer s.working.Done()
		work(ctx)
		s.mu.Lock()
		delete(s.cancel, id)
		s.mu.Unlock()
		cancel()
	}()
}

func (m *Module) runCommand(ctx context.Context, s *Session, run *pb.RunCommand) *pb.CommandResult {
	command, found := m.Commands[run.Prefix]
	if !found {
		return Failed(22, "there is no command %q", run.Prefix) // EINVAL
	}
	return command.Run(ctx, s, run)
}

func (m *Module) runCall(ctx context.Context, s *Session, call *pb.Call) *pb.CallResult {
	fail := func(kind string, err error) *pb.CallResult {
		return &pb.CallResult{Id: call.Id, Outcome: &pb.CallResult_Error{
			Error: &pb.RemoteError{Kind: kind, Type: fmt.Sprintf("%T", err), Message: err.Error()}}}
	}
	method, found := m.Methods[call.Method]
	if !found {
		return fail("METHOD_NOT_FOUND", fmt.Errorf("there is no method %q", call.Method))
	}
	var args []any
	if err := json.Unmarshal([]byte(call.ArgsJson), &args); call.ArgsJson != "" && err != nil {
		return fail("RAISED", err)
	}
	kwargs := map[string]any{}
	if err := json.Unmarshal([]byte(call.KwargsJson), &kwargs); call.KwargsJson != "" && err != nil {
		return fail("RAISED", err)
	}
	value, err := method(ctx, s, args, kwargs)
	if err != nil {
		return fail("RAISED", err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fail("NOT_JSON", err)
	}
	return &pb.CallResult{Id: call.Id, Outcome: &pb.CallResult_ResultJson{ResultJson: string(text)}}
}

// serveFor runs Serve, once in the life of the process, and tells each session how it is.
func (m *Module) serveFor(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current = s
	if m.status == nil {
		m.status = &pb.ServeStatus{State: pb.ServeStatus_STATE_RUNNING}
		m.serving.Add(1)
		go func() {
			defer m.serving.Done()
			status := &pb.ServeStatus{State: pb.ServeStatus_STATE_RETURNED}
			if err := m.Serve(m.stopping); err != nil {
				status = &pb.ServeStatus{State: pb.ServeStatus_STATE_FAILED, Error: err.Error()}
			}
			if !m.isStopping() {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.status = status
				m.current.sendStatus(status)
			}
		}()
	}
	s.sendStatus(m.status)
}

// CallModule calls a method of another module.
func (s *Session) CallModule(ctx context.Context, module, method string, args []any) (json.RawMessage, error) {
	text, err := json.Marshal(append([]any{}, args...)) // nil would be null
	if err != nil {
		return nil, err
	}
	parent, _ := ctx.Value(parentCall{}).(string)
	response, err := pb.NewRemoteClient(s.Conn).Call(ctx, &pb.RemoteCallRequest{
		Module: module, Method: method, ArgsJson: string(text), ParentCall: parent})
	if err != nil {
		return nil, err
	}
	if failure := response.GetError(); failure != nil {
		return nil, fmt.Errorf("%s: %s", failure.Kind, failure.Message)
	}
	return json.RawMessage(response.GetResultJson()), nil
}

func (s *Session) sendStatus(status *pb.ServeStatus) {
	s.send(&pb.AttachRequest{Message: &pb.AttachRequest_ServeStatus{ServeStatus: status}})
}

// Stop makes the module end: Serve is to return, and what is in hand has this long.
func (m *Module) Stop(grace time.Duration) {
	m.stop.Do(func() {
		m.grace = grace
		close(m.stopping)
	})
}

func (m *Module) isStopping() bool {
	select {
	case <-m.stopping:
		return true
	default:
		return false
	}
}

// end half-closes the stream when the work in hand is done, or half of the grace is over. If the
// manager does not end the stream then, cancel does.
func (s *Session) end(cancel context.CancelFunc) {
	done := make(chan struct{})
	go func() {
		s.Module.serving.Wait()
		s.working.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(s.Module.grace / 2):
	}
	s.sending.Lock()
	s.stream.CloseSend()
	s.sending.Unlock()
	time.AfterFunc(s.Module.grace/4+time.Second/4, cancel)
}

// send may be called by any goroutine. What can't be sent any more is lost with the session.
func (s *Session) send(request *pb.AttachRequest) {
	s.sending.Lock()
	defer s.sending.Unlock()
	_ = s.stream.Send(request)
}

// Log writes a line to the manager's log.
func (s *Session) Log(level pb.LogLevel, text string) {
	s.send(&pb.AttachRequest{Message: &pb.AttachRequest_Log{
		Log: &pb.LogBatch{Records: []*pb.LogRecord{{Level: level, Message: text}}}}})
}

func (m *Module) setOptions(values []*pb.OptionValue) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, value := range values {
		m.options[value.Name] = value
	}
}

// Option is the present value of an option, as text; false where it has none.
func (m *Module) Option(name string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, found := m.options[name]
	if !found || value.Value == nil {
		return "", false
	}
	return *value.Value, true
}

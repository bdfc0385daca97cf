// Program conformance is a module of Outpost in Go, written from the .proto files alone.
//
//	main.go         where to connect, and what to do when the manager goes away
//	session.go      one session with a manager
//	conformance.go  what this module offers
//
// The first two are what any module needs.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	firstDelay   = 100 * time.Millisecond // between attempts to attach
	longestDelay = 5 * time.Second
	signalGrace  = 5 * time.Second // what SIGTERM leaves for the work in hand

	exitNoManager = 75 // EX_TEMPFAIL
	exitRefused   = 78 // EX_CONFIG: the supervisor does not start the module again
)

// environment is what the supervisor says, or a person who starts the module by hand.
func environment() (address, name, token string, err error) {
	address, name = os.Getenv("OUTPOST_ADDRESS"), os.Getenv("OUTPOST_MODULE")
	if address == "" {
		address = "unix:/run/outpost/outpost.sock"
	}
	if name == "" {
		name = "conformance"
	}
	if number := os.Getenv("OUTPOST_TOKEN_FD"); number != "" {
		fd, err := strconv.Atoi(number)
		if err != nil {
			return "", "", "", fmt.Errorf("OUTPOST_TOKEN_FD: %w", err)
		}
		file := os.NewFile(uintptr(fd), "token")
		defer file.Close()
		text, err := io.ReadAll(file)
		if err != nil {
			return "", "", "", fmt.Errorf("OUTPOST_TOKEN_FD=%s: %w", number, err)
		}
		token = string(text)
	}
	return address, name, token, nil
}

// refused tells a manager that does not want the module from one that is away.
func refused(err error) bool {
	switch status.Code(err) {
	case codes.AlreadyExists, codes.InvalidArgument, codes.Unauthenticated, codes.FailedPrecondition:
		return true
	}
	return false
}

// delay is how long to wait after a failed attempt; the first attempt is 0.
func delay(attempt int) time.Duration {
	ceiling := longestDelay
	if attempt < 6 {
		ceiling = firstDelay << attempt
	}
	return time.Duration(float64(ceiling) * (0.75 + 0.25*rand.Float64()))
}

// run attaches, again and again, until the module is to end; it returns the exit status.
func run(m *Module, address, token string) int {
	lost := time.Now() // since when there is no manager
	for attempt := 0; ; attempt++ {
		begin := time.Now()
		err := m.attach(address, token)
		if m.isStopping() {
			return 0
		}
		if refused(err) {
			fmt.Fprintf(os.Stderr, "module %s: %v\n", m.Name, err)
			return exitRefused
		}
		if m.configured.After(begin) {
			lost = time.Now()
			if lost.Sub(begin) > longestDelay {
				attempt = 0 // only a session that lasted is worth a quick attempt
			}
		}
		pause := delay(attempt)
		if m.orphanGrace > 0 {
			left := time.Until(lost.Add(m.orphanGrace))
			if left <= 0 {
				fmt.Fprintf(os.Stderr, "module %s: no manager for %v: %v\n", m.Name, m.orphanGrace, err)
				return exitNoManager
			}
			if left < pause {
				pause = left
			}
		}
		select {
		case <-time.After(pause):
		case <-m.stopping:
		}
	}
}

func main() {
	address, name, token, err := environment()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitRefused)
	}
	m := NewConformance(name)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		m.Stop(signalGrace)
	}()
	os.Exit(run(m, address, token))
}

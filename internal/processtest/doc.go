// Package processtest runs whole programs for tests: it starts them, waits until they have written something or listen,
// freezes and ends them, and shows what they wrote where the test fails. They end with the test that started them, on
// Linux even when the test binary is killed.
//
// It knows no program, touches no process that it did not start, and imports the standard library only.
package processtest

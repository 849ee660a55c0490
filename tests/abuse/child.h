// A process of its own for what would end, or upset, the test's.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

namespace msys::test {

// How a child process ended: "exit 3", "signal 6".  A child that hangs is ended
// by the test's own timeout.
inline std::string Ended(pid_t child) {
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return "no child";
  return WIFEXITED(status) ? "exit " + std::to_string(WEXITSTATUS(status))
                           : "signal " + std::to_string(WTERMSIG(status));
}

// Runs `body` in a fork; what it returns is the child's status.  The calling
// process should have no other threads unless they are what is tested.
inline std::string InChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  return Ended(child);
}

}  // namespace msys::test

// Sockets are not for the commands that policies run: one that outlives the host would
// keep the listener's port, and any of them could speak for a client.
#pragma once

#include <fcntl.h>

namespace hostsim {

// Boost.Asio's acceptors and sockets have no other way to ask for it.
template <typename Socket>
void CloseOnExec(Socket& socket) {
  ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
}

}  // namespace hostsim

// SPDX-License-Identifier: Apache-2.0
// What the other end of a file descriptor can show.
#pragma once

namespace millrace::base {

/// True where the descriptor is a terminal that understands control sequences (TERM is set and not
/// "dumb").
bool IsTerminal(int descriptor);
/// True on a terminal where NO_COLOR (https://no-color.org) is not set to a text.
bool WantsColor(int descriptor);
/// Columns of the terminal, or `fallback` where there is none.
int TerminalWidth(int descriptor, int fallback = 80);

}  // namespace millrace::base

// SPDX-License-Identifier: Apache-2.0
// Memory that a long-lived process need not keep.
#pragma once

namespace millrace::base {

/// Gives back the pages of the program and its libraries that only starting needed: relocation
/// tables, names of symbols, code of initialisers; tens of MB where libraries are large. They come
/// from files and are read again, from the page cache, where somebody needs them after all. Also
/// the heap's free pages. Thread-safe. Cost: about a millisecond.
void GiveBackStartMemory();

}  // namespace millrace::base

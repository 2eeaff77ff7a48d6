// SPDX-License-Identifier: Apache-2.0
// Gives memory back to the system.
#include "base/memory.h"

#include <cstddef>
#include <cstdint>
#include <sys/mman.h>
#include <unistd.h>

#include <link.h>
#include <malloc.h>

namespace millrace::base {
namespace {

// Segments that may be written hold what is in no file; the others are as their file is.
int GiveBackSegments(dl_phdr_info* info, std::size_t /*size*/, void* /*data*/) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) {
      continue;
    }
    // Whole pages inside: the last one may be shared with the segment that follows.
    const std::uintptr_t begin = (info->dlpi_addr + segment.p_vaddr + page - 1) / page * page;
    const std::uintptr_t end = (info->dlpi_addr + segment.p_vaddr + segment.p_filesz) / page * page;
    if (begin < end) {
      // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader tells addresses as numbers
      ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
  }
  return 0;
}

}  // namespace

void GiveBackStartMemory() {
  ::dl_iterate_phdr(GiveBackSegments, nullptr);
  ::malloc_trim(0);
}

}  // namespace millrace::base

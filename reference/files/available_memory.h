#pragma once

#include <string>

namespace ringattn {

// The memory of this machine in bytes; in a container, its limit
double available_memory();

// Throws BadInput unless _bytes_ are less than the available memory. The message is
// _error_prefix_ + "... must fit into memory; it takes about ..., ...; _what_to_do_". Call it before anything is
// allocated: a system that overcommits memory would end the program later.
void require_memory(const std::string& error_prefix, double bytes, const std::string& what,
                    const std::string& what_to_do);

}  // namespace ringattn

#pragma once

#include "tests/command_line/command_line.h"

namespace ringattn {

using Words = std::vector<std::string>;

// Runs so many processes of a program, on as few processors as there are; with words for mpirun itself
Answer mpirun(int processes, Words words, const Words& program);

Words joined(Words words, const Words& more);

// What `run` is asked to compute on rings of up to eight processes: all layouts, both rotations, grouped
// heads, batches, windows, fewer rows than processes
std::vector<Words> awkward_problems();

// The milliseconds of the machine's clock
long long milliseconds_now();

// Those with which a line begins that has _what_ in it; -1: none has
long long moment_of(const std::string& text, const std::string& what);

// Checks that a process that said at this moment that it dies took all others with it in time, and that its
// rank is named
void check_end(const Answer& answer, long long killed, int rank);

// Checks that there is one sentence of ringattn's on standard error and that _part_ is in it, whatever
// mpirun says beside it
void check_one_sentence(const Answer& answer, const std::string& part);

// The events of a trace file, without the times of clocks
std::vector<std::string> virtual_events(const std::filesystem::path& path);

}  // namespace ringattn

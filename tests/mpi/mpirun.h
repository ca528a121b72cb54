#pragma once

#include "tests/command_line/command_line.h"

namespace ringattn {

using Arguments = std::vector<std::string>;

// Runs so many processes of a program, on as few processors as there are; with words for mpirun itself
ProcessResult mpirun(int processes, Arguments words, const Arguments& program);

Arguments concatenate(Arguments words, const Arguments& more);

// What `run` is asked to compute on rings of up to eight processes: all layouts, both rotations, grouped
// heads, batches, windows, fewer rows than processes
std::vector<Arguments> edge_case_problems();

// The milliseconds of the machine's clock
long long milliseconds_now();

// Those with which a line begins that has _what_ in it; -1: none has
long long timestamp_of(const std::string& text, const std::string& what);

// Checks that a process that said at this moment that it dies took all others with it in time, and that its
// rank is named
void check_abort(const ProcessResult& answer, long long killed, int rank);

// Checks that there is one sentence of ringattn's on standard error and that _part_ is in it, whatever
// mpirun says beside it
void check_single_error(const ProcessResult& answer, const std::string& part);

// The events of a trace file, without the times of clocks
std::vector<std::string> events_without_wall_times(const std::filesystem::path& path);

}  // namespace ringattn

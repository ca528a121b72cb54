#pragma once

#include "tests/command_line/command_line.h"

namespace ringattn {

using Arguments = std::vector<std::string>;

// Runs _processes_ processes of a program, with _options_ for mpirun itself. The number of processes may exceed the
// number of CPU cores
ProcessResult mpirun(int processes, Arguments options, const Arguments& program);

Arguments concatenate(Arguments first, const Arguments& second);

// Options of `run` for rings of up to eight processes: all layouts, both rotations, grouped heads, batches, windows,
// fewer rows than processes
std::vector<Arguments> edge_case_problems();

// The steady clock of this machine, which all its processes share, in milliseconds
long long milliseconds_now();

// The number at the beginning of the first line that contains _what_; -1 if there is none
long long timestamp_of(const std::string& text, const std::string& what);

// Checks that all processes ended within 10 s after process _rank_ was killed at the time _killed_, in milliseconds,
// and that mpirun names this rank
void check_abort(const ProcessResult& answer, long long killed, int rank);

// Checks that ringattn wrote exactly one error, which contains _part_. Lines of mpirun are ignored
void check_single_error(const ProcessResult& answer, const std::string& part);

// The events of a trace file, without wall-clock times
std::vector<std::string> events_without_wall_times(const std::filesystem::path& path);

}  // namespace ringattn

#pragma once

#include "reference/cli/args/program.h"

namespace ringattn::cli {

// The commands of ringattn. Each function declares the options of a command and what the command does.
void add_run(Program& program);
void add_strategies(Program& program);
void add_recall(Program& program);
void add_memory(Program& program);
void add_check(Program& program);
void add_examine(Program& program);
void add_probe(Program& program);
void add_laws(Program& program);
void add_spectrum(Program& program);
void add_mistakes(Program& program);
void add_vectors(Program& program);
void add_bench(Program& program);
void add_plan(Program& program);

}  // namespace ringattn::cli

#pragma once

#include "reference/cli/args/program.h"

namespace ringattn::viz {

using cli::Command;
using cli::Option;
using cli::Program;

// The commands of ringviz. Each function declares the options of a command and what the command does; the window is
// what the program does without a command.
void add_window(Program& program);
void add_render(Program& program);
void add_movie(Program& program);
void add_shot(Program& program);
void add_check(Program& program);
void add_export(Program& program);

}  // namespace ringattn::viz

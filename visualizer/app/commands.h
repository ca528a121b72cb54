#pragma once

#include "reference/cli/args/program.h"

namespace ringattn::viz {

using cli::Command;
using cli::Option;
using cli::Program;

// The commands of ringviz. Each function declares the options and the action of one command; without a command, the
// program opens the window.
void add_window(Program& program);
void add_render(Program& program);
void add_movie(Program& program);
void add_shot(Program& program);
void add_check(Program& program);
void add_export(Program& program);

}  // namespace ringattn::viz

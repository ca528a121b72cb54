#pragma once

#include "reference/cli/args/command.h"

namespace ringattn::cli {

// Exit statuses of every program of the project.
enum ExitStatus { right = 0, wrong = 1, bad_input = 2 };

// What a program says when an allocation fails
constexpr const char* out_of_memory =
    "[memory] out of memory; reduce --seq, --heads or --dim, or the size of the picture";

// A program with commands. If no command is given, the program's own action runs, if it has one.
class Program : public Command {
 public:
  Program(const std::string& name, const std::string& description, const std::string& version);

  Command* add_command(const std::string& name, const std::string& description);

  // Parses the command line, runs the chosen command, and returns the exit status. Every failure prints one line on
  // standard error
  int main(int argc, char** argv);

 private:
  int parse_and_run(int argc, char** argv);
  Command* chosen() const;  // nullptr if no command was given
  std::string see_help() const;
  std::string command_required(const std::string& found) const;
  int refuse(std::string sentence, ExitStatus status = bad_input) const;

  std::string name_;
  std::deque<Command> commands_;
};

}  // namespace ringattn::cli

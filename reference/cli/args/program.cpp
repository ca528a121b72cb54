#include "reference/cli/args/program.h"

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <new>
#include <system_error>

#include "reference/cli/args/wrong_result.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn::cli {

namespace {

// The format of --help: one line per option, with its default at the end; one blank line between groups.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(30);
    label("SUBCOMMAND", "COMMAND");
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_size() == 0 ? "" : option->get_type_name();
    return type.empty() ? "" : " " + type;
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string value = option->get_type_size() == 0 ? "" : option->get_default_str();
    return option->get_description() + (value.empty() ? "" : " (default: " + value + ")");
  }

  std::string make_group(std::string group, bool positional,
                         std::vector<const CLI::Option*> options) const override {
    return CLI::Formatter::make_group(std::move(group), positional, std::move(options)).substr(1);
  }

  std::string make_usage(const CLI::App* app, std::string name) const override {
    return CLI::Formatter::make_usage(app, std::move(name)) + "\n";
  }
};

// What is wrong with the command line. The sentences of CLI11 for a missing or repeated value, an unknown argument and
// a bad number are replaced by plainer ones
std::string sentence(const CLI::ParseError& error, const std::vector<std::string>& unknown) {
  std::string text = error.what();
  const std::string option = text.substr(0, text.find(':'));
  if (dynamic_cast<const CLI::ExtrasError*>(&error) && !unknown.empty()) {
    const auto is_option = [](const std::string& argument) { return argument.starts_with("-"); };
    const auto option_or_end = std::find_if(unknown.begin(), unknown.end(), is_option);
    return "unknown argument " + in_quotes(option_or_end == unknown.end() ? unknown.front() : *option_or_end);
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error))
    return option + (text.ends_with("missing") ? " requires a value" : " must be given at most once");
  const std::string number = "Could not convert: ";
  if (const std::size_t equals = text.find(" = "); text.starts_with(number) && equals != std::string::npos)
    return text.substr(number.size(), equals - number.size()) + " must be a number in its range; found " +
           in_quotes(text.substr(equals + 3));
  return text;
}

constexpr const char* lost_output =
    "[output] standard output could not be written; check the space on the device";

// Printing and starting a thread are the operations whose errors the standard library describes in its own words
std::string sentence(const std::system_error& error) {
  if (std::ferror(stdout)) return lost_output;
  if (error.code() == std::errc::resource_unavailable_try_again)
    return "[threads] the system must start a thread for each device or processor; found its limit of "
           "threads or "
           "of memory reached; use fewer devices or --threads, or raise the limits (ulimit -u, ulimit -v)";
  return error.what();
}

// Opens /dev/null for each standard stream that is closed. Otherwise an output file would get the number of the stream,
// and receive what is printed. Standard output is opened for reading, so printing fails
void open_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) < 0) open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

}  // namespace

Program::Program(const std::string& name, const std::string& description, const std::string& version)
    : Command(std::make_shared<CLI::App>(description, name)), name_(name) {
  app().set_version_flag("--version", name + " " + version, "show the version");
  app().formatter(std::make_shared<HelpFormatter>());
  app().set_help_flag("-h,--help", "show this text");
}

Command* Program::add_command(const std::string& name, const std::string& description) {
  CLI::App* command = app().add_subcommand(name, description);
  command->group("Commands");
  // The App of the program owns that of the command
  return &commands_.emplace_back(std::shared_ptr<CLI::App>(std::shared_ptr<CLI::App>(), command));
}

Command* Program::chosen() const {
  const std::vector<CLI::App*> parsed = app().get_subcommands();
  if (parsed.empty()) return nullptr;
  for (const Command& command : commands_)
    if (command.name() == parsed.front()->get_name()) return const_cast<Command*>(&command);
  return nullptr;
}

std::string Program::see_help() const {
  const Command* command = chosen();
  return "; see " + name_ + (command ? " " + command->name() : "") + " --help";
}

std::string Program::command_required(const std::string& found) const {
  std::string names;
  for (const Command& command : commands_) names += (names.empty() ? "" : ", ") + command.name();
  return "a command is required: " + names + "; found " + found + see_help();
}

int Program::refuse(std::string sentence, ExitStatus status) const {
  // Messages of libraries may have several lines
  for (char& c : sentence)
    if (c == '\n') c = ' ';
  std::fprintf(stderr, "%s: %s\n", name_.c_str(), sentence.c_str());
  return status;
}

int Program::parse_and_run(int argc, char** argv) {
  try {
    app().parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return app().exit(help_or_version);
  }
  const Command* command = chosen();
  if (!command && !has_action()) return refuse(command_required("none"));
  if (!command) return run();

  // An option before the command would be parsed as one of the program, and have no effect
  for (const Option* option : options())
    require(option->count() == 0, "[", name_, "] the options of a command follow its name; found ",
            option->name(), " before ", command->name(), "; put it after ", command->name());
  return command->run();
}

int Program::main(int argc, char** argv) {
  open_standard_streams();
  try {
    const int status = parse_and_run(argc, argv);
    return std::fflush(stdout) == 0 && !std::ferror(stdout) ? status : refuse(lost_output);
  } catch (const CLI::ParseError& error) {
    if (!chosen() && !has_action() && argc > 1) return refuse(command_required(in_quotes(argv[1])));
    return refuse(sentence(error, app().remaining(true)) + see_help());
  } catch (const WrongResult& error) {
    return refuse(error.what(), wrong);
  } catch (const std::bad_alloc&) {
    return refuse(out_of_memory);
  } catch (const std::system_error& error) {
    return refuse(sentence(error));
  } catch (const std::exception& error) {
    return refuse(error.what());
  }
}

}  // namespace ringattn::cli

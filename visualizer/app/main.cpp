#include <CLI/CLI.hpp>
#include <cstdio>

#include "reference/cli/args/help_formatter.h"
#include "reference/definition/bad_input.h"
#include "visualizer/app/actions.h"

namespace {

constexpr int right = 0, bad_input = 2;

// One sentence, whatever a library put into its message
int report_error(std::string sentence) {
  for (char& c : sentence)
    if (c == '\n') c = ' ';
  std::fprintf(stderr, "ringviz: %s\n", sentence.c_str());
  return bad_input;
}

// What stands before a command would be for the window, and be forgotten
void require_nothing_before(const CLI::App& app, const CLI::App& command) {
  for (const CLI::Option* option : app.get_options())
    ringattn::require(option->count() == 0, "[ringviz] what is for a command stands after it; found ",
                      option->get_name(), " before ", command.get_name(), "; write it behind");
}

}  // namespace

int main(int argc, char** argv) {
  using namespace ringattn::viz;
  CLI::App app("Watch ring attention: the real engine, live, recorded, or as pictures", "ringviz");
  app.set_version_flag("--version", std::string("ringviz ") + RINGATTN_VERSION, "show the version");
  app.formatter(std::make_shared<ringattn::cli::HelpFormatter>());
  app.set_help_flag("-h,--help", "show this text");
  app.footer(
      "Examples:\n"
      "  ringviz                                     the scenes, in a window\n"
      "  ringviz --scene causal\n"
      "  ringattn run --seq 64 --devices 8 --trace run.trace --trace-rows all && ringviz run.trace\n"
      "  ringviz --live --devices 4 --seq 16         each press of the right arrow lets the devices go on\n"
      "  ringviz shot --scene ring --beat 3 --out ring.png\n\n"
      "render, movie, shot, check and export need neither a display nor GL.\n"
      "Exit status: 0 right, 1 the trace breaks a law, 2 bad input.");

  std::map<std::string, Action> actions;
  actions["render"] = add_render(app);
  actions["movie"] = add_movie(app);
  actions["shot"] = add_shot(app);
  actions["check"] = add_check(app);
  actions["export"] = add_export(app);
  for (CLI::App* command : app.get_subcommands({})) command->group("Commands");
  const Action window = add_window(app);

  try {
    app.parse(argc, argv);
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    if (chosen.empty()) return window();
    require_nothing_before(app, *chosen.front());
    const int status = actions.at(chosen.front()->get_name())();
    ringattn::require(std::fflush(stdout) == 0 && !std::ferror(stdout),
                      "[output] standard output must take the whole report; it did not; is there room?");
    return status;
  } catch (const CLI::Success& help_or_version) {
    app.exit(help_or_version);
    return right;
  } catch (const CLI::ParseError& error) {
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    return report_error(std::string(error.what()) + "; see ringviz " +
                  (chosen.empty() ? "" : chosen.front()->get_name() + " ") + "--help");
  } catch (const std::bad_alloc&) {
    return report_error("[memory] the pictures must fit into memory; they do not; choose a smaller size");
  } catch (const std::exception& error) {
    return report_error(error.what());
  }
}

#include "visualizer/app/session_options.h"

#include <charconv>

#include "reference/cli/args/command.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/trace_file.h"
#include "visualizer/draw/theme.h"
#include "visualizer/interaction/deep_link.h"

namespace ringattn::viz {

namespace fs = std::filesystem;

namespace {

// A larger trace would take too long to open
constexpr std::uintmax_t largest_trace = 256 << 20;

}  // namespace

void SessionOptions::add_trace_and_scene(cli::Command& command) {
  command.add_option("trace", trace, "trace written by ringattn run --trace")
      ->check(cli::not_empty())
      ->type_name("TRACE");
  command.add_option("--scene", scene, "id of a scene")->type_name("ID");
}

void SessionOptions::add_state(cli::Command& command) {
  command.add_option("--state", state, "a moment as copied with the key Y: scene=ring&t=2.5&device=2")
      ->type_name("TEXT");
}

void SessionOptions::add_beat(cli::Command& command) {
  command.add_option("--beat", beat, "number of the beat in the scene, from 1")->type_name("N");
}

void SessionOptions::add_style_options(cli::Command& command) {
  command.add_option("--theme", theme, "theme: dark, light or contrast")->type_name("NAME");
  command.add_option("--size", size, "size in pixels")->type_name("WxH")->capture_default_str();
  command.add_option("--scale", scale, "display scale, 0.75 to 3")->type_name("X");
}

int SessionOptions::extent(int which) const {
  const std::size_t cross = size.find('x');
  const std::string digits = which == 0                   ? size.substr(0, cross)
                             : cross == std::string::npos ? ""
                                                          : size.substr(cross + 1);
  int pixels = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pixels);
  require(error == std::errc() && end == digits.data() + digits.size() && pixels >= 64 && pixels <= 8192,
          "[--size] width and height must be 64 to 8192 pixels; found ", in_quotes(size), "; write 1600x900");
  return pixels;
}

void SessionOptions::forbid_overwrite(const char* option, const fs::path& written) const {
  std::error_code none;
  require(!trace || !fs::equivalent(*trace, written, none), "[", option,
          "] the output must not overwrite the trace; found ", in_quotes(written.string()),
          " for both; give another path");
}

void SessionOptions::apply_style(Session& session) const {
  for (const int which : {0, 1}) extent(which);  // check the size before the work begins
  if (theme) {
    require(ringattn::viz::theme(*theme).name == *theme,
            "[--theme] the theme must be dark, light or contrast; found ", in_quotes(*theme));
    session.settings.theme = *theme;
  }
  if (scale) {
    require(*scale >= 0.75 && *scale <= 3, "[--scale] must be between 0.75 and 3; found ", *scale);
    session.settings.scale = *scale;
  }
}

void SessionOptions::open_trace(Session& session) const {
  std::error_code none;
  const std::uintmax_t bytes = fs::file_size(*trace, none);
  require(none || bytes <= largest_trace, "[trace] ", in_quotes(trace->string()),
          ": a trace to be shown may have at most ", largest_trace, " bytes; found ", bytes,
          "; write a trace with fewer devices or fewer --trace-rows");
  TraceFile file = read_trace(*trace);
  session.open_recording(std::make_shared<Recording>(std::move(file.header), std::move(file.events),
                                                     TraceExtent::complete, file.strings),
                         trace->filename().string());
  session.use_notes_of(*trace);
}

void SessionOptions::open(Session& session) const {
  const bool scene_in_state = state.find("scene=") != std::string::npos;
  require(static_cast<int>(trace.has_value()) + !scene.empty() + scene_in_state <= 1,
          "[ringviz] give one trace or one scene; --state can name the scene; found two; leave "
          "one out");
  if (trace)
    open_trace(session);
  else if (!scene_in_state)
    session.open_scene(scene.empty() ? scenes().front() : find_scene(scene));
  apply_deep_link(session, state);
  apply_style(session);
  if (!beat) return;
  require(session.beats() > 0, "[--beat] requires a scene; a trace has no beats; found ", *beat,
          "; choose a moment with --state");
  require(*beat >= 1 && *beat <= session.beats(), "[--beat] must be 1 to ", session.beats(), "; found ",
          *beat);
  session.go_to_beat(*beat - 1);
}

}  // namespace ringattn::viz

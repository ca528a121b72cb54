#include "visualizer/app/web/page.h"

#include <GLES3/gl3.h>
#include <backends/imgui_impl_opengl3.h>
#include <emscripten/html5_webgl.h>
#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <new>
#include <sstream>
#include <utility>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/json.h"
#include "reference/files/trace_file.h"
#include "reference/trace/export/json_lines.h"
#include "visualizer/interaction/commands.h"
#include "visualizer/interaction/deep_link.h"
#include "visualizer/layout/screen_layout.h"
#include "visualizer/run/hop_ratio.h"
#include "visualizer/run/lockstep_run.h"
#include "visualizer/session/run_fields.h"
#include "visualizer/view/screen_view.h"

namespace ringattn::viz {

namespace {

// A larger trace would take too long to open
constexpr std::size_t largest_trace = 64 << 20;

void open_webgl() {
  EmscriptenWebGLContextAttributes attributes;
  emscripten_webgl_init_context_attributes(&attributes);
  attributes.majorVersion = 2;
  attributes.alpha = attributes.depth = attributes.antialias = false;
  const EMSCRIPTEN_WEBGL_CONTEXT_HANDLE context = emscripten_webgl_create_context("#canvas", &attributes);
  require(context > 0 && emscripten_webgl_make_context_current(context) == EMSCRIPTEN_RESULT_SUCCESS,
          "[page] the browser must have WebGL 2; found none; use a newer browser, or allow it to use the "
          "graphics processor");
}

std::string css(Color color) {
  char text[8];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", color.r, color.g, color.b);
  return text;
}

// The fields of "devices=4&causal=true"
std::map<std::string, std::string> fields_of(const std::string& text) {
  std::map<std::string, std::string> fields;
  std::istringstream stream(text);
  for (std::string field; std::getline(stream, field, '&');) {
    const std::size_t equals = field.find('=');
    require(equals != std::string::npos && is_run_field(field.substr(0, equals)),
            "[deep link] a live run has fields such as devices=4; found ", in_quotes(field),
            "; leave it out");
    fields[field.substr(0, equals)] = field.substr(equals + 1);
  }
  return fields;
}

}  // namespace

Page::Page() {
  open_webgl();
  ImGui::CreateContext();
  ImGui::GetIO().IniFilename = nullptr;
  ImGui_ImplOpenGL3_Init("#version 300 es");
  session_.open_scene(scenes().front());
}

template <class F>
void Page::show_errors(F&& f) {
  try {
    f();
  } catch (const std::bad_alloc&) {
    session_.notice =
        "[page] the run must fit into the memory of the page; found too little; open a smaller one";
  } catch (const std::exception& error) {
    session_.notice = error.what();
  }
}

// ---- What is shown ------------------------------------------------------------------

void Page::open_link(const std::string& link) {
  show_errors([&] {
    if (link.rfind("live=1", 0) == 0) return open_live(link);
    apply_deep_link(session_, link);
    if (session_.scene()) live_.clear();
  });
}

void Page::open_live(const std::string& link) {
  const std::string fields = link.size() > 7 ? link.substr(7) : "";
  RunConfig config = run_from_fields(fields_of(fields));
  // Half a second of modelled time for a pair of blocks, and somewhat less for a hop
  const double hop = hop_ratio(config);
  const double rows = static_cast<double>(config.queries) / config.devices;
  config.cost.ns_per_pair = 0.5e9 / std::max(1.0, rows * rows);
  set_hop_ratio(config, hop);
  session_.open_live(std::make_unique<LockstepRun>(config), "Live");
  live_ = link;
}

void Page::open_trace(const std::string& name, std::string_view bytes) {
  show_errors([&] {
    const std::string prefix = "[trace] " + in_quotes(name) + ": ";
    require(bytes.size() <= largest_trace, prefix, "a trace to be shown may have at most ", largest_trace,
            " bytes; found ", bytes.size(), "; write a trace with fewer devices or fewer --trace-rows");
    TraceFile file = parse_trace(bytes, prefix);
    session_.open_recording(std::make_shared<Recording>(std::move(file.header), std::move(file.events),
                                                        TraceExtent::complete, file.strings),
                            name);
    live_.clear();
  });
}

std::string Page::trace(int run, bool wall_times) const {
  const Recording& recording = session_.recording(std::clamp(run, 0, session_.runs() - 1));
  std::ostringstream text;
  write_json_lines(text, recording.header(), recording.events(),
                   wall_times ? WallTimes::keep : WallTimes::omit);
  return text.str();
}

// ---- Events -------------------------------------------------------------------------

void Page::resize(int width, int height, float unit) {
  width_ = std::max(width, 1), height_ = std::max(height, 1);
  base_unit_ = unit;
}

bool Page::key(const std::string& name) {
  std::string upper = name;
  if (upper.size() == 1) upper[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(upper[0])));
  // A browser has keys of its own to close a page
  const Command* const used = command_for_key(upper);
  if (!session_.typing && (!used || used->id == "quit")) return false;
  show_errors([&] { press_key(session_, name); });
  return true;
}

bool Page::scroll(Point pixel, double across, double up) {
  bool used = false;
  show_errors([&] { used = pointer_.scrolled(session_, drawing_, points(pixel), across, up); });
  return used;
}

void Page::move(Point pixel) {
  show_errors([&] { pointer_.moved(session_, drawing_, points(pixel)); });
}

void Page::leave() { move({-unit_, -unit_}); }

void Page::button(Point pixel, bool down) {
  show_errors([&] { pointer_.button(session_, drawing_, points(pixel), down); });
}

bool Page::can_drag(Point pixel) const { return Pointer::can_drag(session_, drawing_, points(pixel)); }

void Page::scrub(double part) {
  session_.play(false);
  session_.seek(session_.t() + part * session_.duration());
}

void Page::pinch(Point pixel, double factor) {
  if (scroll(pixel, 0, std::log(factor) / std::log(1.25))) return;
  session_.settings.scale = std::clamp(session_.settings.scale * factor, 0.75, 3.0);
}

void Page::command(const std::string& id) {
  show_errors([&] { run_command(session_, id); });
}

void Page::enter_text(const std::string& text) {
  while (session_.typing && !session_.typed.empty()) key("Backspace");
  for (std::size_t i = 0; i < text.size() && session_.typing;) {
    // All bytes of one character of UTF-8
    std::size_t end = i + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    const std::string character = text.substr(i, end - i);
    key(character == " " ? "Space" : character);
    i = end;
  }
  if (session_.typing) key("Enter");
}

// ---- Drawing ------------------------------------------------------------------------

void Page::update_fonts() {
  const float unit = base_unit_ * static_cast<float>(session_.settings.display_scale());
  if (fonts_ && unit == unit_) return;
  unit_ = unit;
  ImGui_ImplOpenGL3_DestroyFontsTexture();
  fonts_ = std::make_unique<Fonts>(*ImGui::GetIO().Fonts, unit);
  ImGui_ImplOpenGL3_NewFrame();
  if (!ImGui::GetIO().Fonts->TexID) ImGui_ImplOpenGL3_CreateFontsTexture();
  // Glyphs start at whole pixels, so the nearest texel is exact
  const auto texture = reinterpret_cast<std::uintptr_t>(ImGui::GetIO().Fonts->TexID);
  glBindTexture(GL_TEXTURE_2D, static_cast<GLuint>(texture));
  glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
  glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
}

void Page::draw(double seconds) {
  show_errors([&] { session_.advance(std::min(seconds, 0.1)); });
  update_fonts();

  // A small screen shows one panel: the one that was chosen last, if the scene has it, otherwise the first
  const std::vector<std::string> panels = session_.arrangement().names();
  const bool chosen = std::find(panels.begin(), panels.end(), panel_) != panels.end();
  session_.settings.alone = !is_small(size()) ? "" : chosen ? panel_ : panels.front();

  ImGuiIO& io = ImGui::GetIO();
  io.DisplaySize = {static_cast<float>(width_), static_cast<float>(height_)};
  io.DeltaTime = std::max(static_cast<float>(seconds), 1e-4f);
  ImGui_ImplOpenGL3_NewFrame();
  ImGui::NewFrame();
  const Theme& colors = theme(session_.settings.theme);
  Canvas canvas(*ImGui::GetBackgroundDrawList(), *fonts_, colors, unit_);
  draw_screen(canvas, size(), session_);
  drawing_ = canvas.drawing();
  ImGui::Render();

  const auto part = [](std::uint8_t channel) { return static_cast<float>(channel) / 255; };
  glViewport(0, 0, width_, height_);
  glClearColor(part(colors.paper.r), part(colors.paper.g), part(colors.paper.b), 1);
  glClear(GL_COLOR_BUFFER_BIT);
  ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
}

// ---- What the page shows beside the canvas ----------------------------------------------

// A dropped trace has none
std::string Page::link() const {
  return session_.scene() ? deep_link(session_) : session_.live() ? live_ : "";
}

std::string Page::spoken_text() const {
  const Beat* const beat = session_.current_beat();
  if (!beat) return session_.title();
  const std::string words = session_.closing()    ? session_.scene()->takeaway
                            : session_.answered() ? beat->answer
                                                  : beat->text + " " + beat->question;
  return session_.title() + ", text " + std::to_string(session_.beat() + 1) + " of " +
         std::to_string(session_.beats()) + ". " + words;
}

std::string Page::state() {
  const std::string scene = session_.scene() ? session_.scene()->id : "";
  const Theme& colors = theme(session_.settings.theme);
  const Json state = {
      {"link", link()},
      {"scene", scene},
      {"beat", session_.beat() + 1},
      {"beats", session_.beats()},
      {"runs", session_.runs()},
      {"title", session_.title()},
      // Changes from text to text: an entry in the history of the browser
      {"stop", scene + "/" + std::to_string(session_.beat()) + (session_.answered() ? "/answer" : "") +
                   (session_.closing() ? "/takeaway" : "")},
      {"text", spoken_text()},
      {"notice", session_.notice},
      {"copy", std::exchange(session_.to_copy, "")},
      {"colors",
       {{"paper", css(colors.paper)},
        {"raised", css(colors.raised)},
        {"ink", css(colors.ink)},
        {"faint", css(colors.faint_ink)},
        {"outline", css(colors.outline)},
        {"accent", css(colors.accent)}}},
      {"playing", session_.playing()},
      {"presenting", session_.settings.presenting},
      {"typing", session_.typing},
      {"typed", session_.typed},
      {"live", session_.live() != nullptr},
      {"small", is_small(size())},
      {"panel", session_.settings.alone},
      {"panels", session_.arrangement().names()}};
  return state.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ringattn::viz

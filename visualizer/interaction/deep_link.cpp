#include "visualizer/interaction/deep_link.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/json.h"
#include "visualizer/draw/theme.h"
#include "visualizer/session/run_fields.h"

namespace ringattn::viz {

namespace {

using Fields = std::map<std::string, std::string>;

// ---- Values -------------------------------------------------------------------------

std::string exact(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", x);
  return text;
}

// Percent-encodes all characters except letters, digits and a few others
std::string escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || std::string_view("-_.,:").find(c) != std::string_view::npos) {
      escaped += c;
      continue;
    }
    char hex[4];
    std::snprintf(hex, sizeof hex, "%%%02X", byte);
    escaped += hex;
  }
  return escaped;
}

std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string hex = text[i] == '%' ? text.substr(i + 1, 2) : "";
    char* end = nullptr;
    const long byte = std::strtol(hex.c_str(), &end, 16);
    const bool coded = hex.size() == 2 && end == hex.c_str() + 2 && byte >= 0;
    plain += coded ? static_cast<char>(byte) : text[i];
    i += coded ? 2 : 0;
  }
  return plain;
}

constexpr const char* matrices[] = {"who", "device", "when", "score"};
constexpr const char* dockable[] = {"code", "memory"};
constexpr const char* clocks[] = {"modelled", "measured"};
constexpr const char* yes_or_no[] = {"0", "1"};
constexpr const char* kinds[] = {"nothing", "device", "block", "event", "tile", "row"};

// "block.3", "tile.1.2"; targets that are not identified by numbers give "nothing"
std::string text_of(const Target& target) {
  const auto kind = static_cast<std::size_t>(target.kind);
  if (!target || kind >= std::size(kinds)) return "nothing";
  std::string text = kinds[kind];
  text.append(1, '.').append(std::to_string(target.a));
  if (target.b >= 0) text.append(1, '.').append(std::to_string(target.b));
  return text;
}

// ---- Fields -------------------------------------------------------------------------

Fields fields_of(const std::string& link) {
  static const char* const known[] = {"scene", "beat",    "answered", "clock",   "t",       "device",
                                      "row",   "pin",     "theme",    "scale",   "matrix",  "critical",
                                      "zoom",  "present", "motion",   "pin_run", "closing", "dock",
                                      "from",  "to",      "q_from",   "q_to",    "k_from",  "k_to"};
  Fields fields;
  for (std::size_t begin = 0; begin < link.size();) {
    const std::size_t end = std::min(link.find('&', begin), link.size());
    const std::string field = link.substr(begin, end - begin);
    const std::size_t equals = field.find('=');
    const std::string key = field.substr(0, equals);
    // Accept known keys only
    bool knows = is_run_field(key);
    for (const char* each : known) knows = knows || key == each;
    require(knows && equals != std::string::npos,
            "[deep link] a link must consist of fields such as device=2; found ", in_quotes(field),
            "; copy one with the key Y");
    fields[key] = unescaped(field.substr(equals + 1));
    begin = end + 1;
  }
  return fields;
}

// Reads the fields of a link; all fields are optional.
class FieldReader {
 public:
  explicit FieldReader(const std::string& link) : fields_(fields_of(link)) {}

  bool has(const char* key) const { return fields_.count(key) > 0; }
  const std::string& text(const char* key) const { return fields_.at(key); }
  const Fields& all() const { return fields_; }

  double number(const char* key, double least, double most) const {
    char* end = nullptr;
    const double x = std::strtod(text(key).c_str(), &end);
    require(!text(key).empty() && *end == 0 && x >= least && x <= most, "[deep link] ", key,
            " must be a number from ", least, " to ", most, "; found ", in_quotes(text(key)));
    return x;
  }

  int integer(const char* key, Index least, Index most) const {
    const double x = number(key, static_cast<double>(least), static_cast<double>(most));
    require(x == std::floor(x), "[deep link] ", key, " must be a whole number; found ", in_quotes(text(key)));
    return static_cast<int>(x);
  }

  // The index of the value in _names_
  template <std::size_t n>
  int choice(const char* key, const char* const (&names)[n]) const {
    std::string all;
    for (std::size_t i = 0; i < n; ++i) {
      if (text(key) == names[i]) return static_cast<int>(i);
      all += (i ? ", " : "") + std::string(names[i]);
    }
    throw BadInput("[deep link] " + std::string(key) + " must be one of " + all + "; found " +
                   in_quotes(text(key)));
  }

 private:
  Fields fields_;
};

// ---- Parts of a session -------------------------------------------------------------

void apply_run(Session& session, const FieldReader& link) {
  Fields run;
  for (const auto& [key, value] : link.all())
    if (is_run_field(key)) run[key] = value;
  if (run.empty()) return;
  require(session.adjustable_config(), "[deep link] fields of a run require scene=free; found ",
          run.begin()->first, "; leave it out, or add scene=free");
  run.merge(run_fields(*session.adjustable_config()));
  session.set_run(run_from_fields(run));
}

void apply_pin(Session& session, const FieldReader& link) {
  if (!link.has("pin")) return;
  Target target;
  char kind[16] = "";
  std::sscanf(link.text("pin").c_str(), "%15[a-z].%d.%d", kind, &target.a, &target.b);
  for (std::size_t i = 1; i < std::size(kinds); ++i)
    if (kind == std::string(kinds[i])) target.kind = static_cast<Target::Kind>(i);
  require(text_of(target) == link.text("pin"),
          "[deep link] pin must have the form block.3 or event.2.15; found ", in_quotes(link.text("pin")));
  session.selection.pinned = target;
  session.selection.pinned_run = link.has("pin_run") ? link.integer("pin_run", 0, session.runs() - 1) : 0;
}

void apply_range(const FieldReader& link, const char* from, const char* to, AxisRange& range) {
  if (link.has(from)) range.begin = link.number(from, 0, 1 - AxisRange::smallest);
  if (link.has(to)) range.end = link.number(to, range.begin + AxisRange::smallest, 1);
}

void apply_view_settings(Session& session, const FieldReader& link) {
  ViewSettings& settings = session.settings;
  if (link.has("theme")) {
    settings.theme = theme(link.text("theme")).name;
    require(settings.theme == link.text("theme"),
            "[deep link] the theme must be dark, light or contrast; found ", in_quotes(link.text("theme")));
  }
  if (link.has("scale")) settings.scale = link.number("scale", 0.75, 3);
  if (link.has("matrix")) settings.matrix = static_cast<MatrixColoring>(link.choice("matrix", matrices));
  if (link.has("critical")) settings.critical_path = link.choice("critical", yes_or_no);
  if (link.has("present")) settings.presenting = link.choice("present", yes_or_no);
  if (link.has("motion")) settings.reduced_motion = !link.choice("motion", yes_or_no);
  if (link.has("dock")) settings.docked = dockable[link.choice("dock", dockable)];
  apply_range(link, "from", "to", settings.time);
  apply_range(link, "q_from", "q_to", settings.queries);
  apply_range(link, "k_from", "k_to", settings.keys);
  if (link.has("zoom")) {
    const Arrangement alone = Arrangement::named(link.text("zoom"));
    require(
        link.text("zoom").empty() || (is_panel(alone.panel) && alone.run >= 0 && alone.run < session.runs()),
        "[deep link] zoom must be a panel such as ring or timeline:1; found ", in_quotes(link.text("zoom")));
    settings.zoomed = link.text("zoom").empty() ? "" : alone.name();
  }
}

}  // namespace

std::string deep_link(const Session& session) {
  std::string link;
  const auto add = [&link](const std::string& key, const std::string& value) {
    link += (link.empty() ? "" : "&") + key + "=" + escaped(value);
  };
  const ViewSettings& settings = session.settings;
  const Selection& selection = session.selection;
  if (session.scene()) add("scene", session.scene()->id), add("beat", std::to_string(session.beat() + 1));
  if (session.answered()) add("answered", "1");
  if (session.closing()) add("closing", "1");
  // The parameters that differ from those of the scene
  if (session.adjustable_config()) {
    const Fields before = run_fields(completed(session.scene()->runs.front().config));
    for (const auto& [key, value] : run_fields(*session.adjustable_config()))
      if (before.at(key) != value) add(key, value);
  }
  add("clock", clocks[static_cast<int>(settings.clock)]);
  add("t", exact(session.t()));
  add("device", std::to_string(selection.device));
  add("row", std::to_string(selection.row));
  add("theme", settings.theme);
  add("scale", exact(settings.scale));
  add("matrix", matrices[static_cast<int>(settings.matrix)]);
  add("critical", yes_or_no[settings.critical_path]);
  add("zoom", settings.zoomed);
  if (!settings.docked.empty()) add("dock", settings.docked);
  const auto add_range = [&](const char* from, const char* to, const AxisRange& range) {
    if (!range.whole()) add(from, exact(range.begin)), add(to, exact(range.end));
  };
  add_range("from", "to", settings.time);
  add_range("q_from", "q_to", settings.queries);
  add_range("k_from", "k_to", settings.keys);
  if (settings.presenting) add("present", "1");
  if (settings.reduced_motion) add("motion", "0");
  if (const std::string pin = text_of(selection.pinned); pin != "nothing") {
    add("pin", pin);
    if (selection.pinned_run > 0) add("pin_run", std::to_string(selection.pinned_run));
  }
  return link;
}

void apply_deep_link(Session& session, const std::string& text) {
  const FieldReader link(text);
  if (link.has("scene")) session.open_scene(find_scene(link.text("scene")));
  apply_run(session, link);
  if (link.has("clock")) session.settings.clock = static_cast<Clock>(link.choice("clock", clocks));
  if (link.has("beat")) session.go_to_beat(link.integer("beat", 1, std::max(1, session.beats())) - 1);
  if (link.has("answered") && link.choice("answered", yes_or_no) && session.current_beat() &&
      !session.current_beat()->question.empty())
    session.next_text();
  // The takeaway follows the last beat
  if (link.has("closing") && link.choice("closing", yes_or_no) && session.beats() > 0) {
    session.go_to_beat(session.beats() - 1);
    while (!session.closing()) session.next_text();
  }
  if (link.has("t")) session.seek(link.number("t", 0, 1e300));
  const TraceHeader& header = session.main_recording().header();
  if (link.has("device")) session.selection.device = link.integer("device", 0, header.devices - 1);
  if (link.has("row")) session.selection.row = link.integer("row", 0, std::max<Index>(0, header.Sq - 1));
  apply_pin(session, link);
  apply_view_settings(session, link);
}

}  // namespace ringattn::viz

#include "visualizer/model/deep_link.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "reference/definition/bad_input.h"
#include "reference/files/json.h"
#include "visualizer/view/theme.h"

namespace ringattn::viz {

namespace {

using Fields = std::map<std::string, std::string>;

const std::vector<std::string> panels = {"ring",   "matrix", "microscope", "timeline",
                                         "memory", "code",   "inspector",  "knobs"};

std::string exact(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", x);
  return text;
}

const char* name(MatrixShows shows) {
  return shows == MatrixShows::who ? "who" : shows == MatrixShows::when ? "when" : "score";
}

Fields fields_of(const std::string& link) {
  static const char* const known[] = {"scene", "beat",   "t",    "device",  "row",      "theme",   "scale",
                                      "clock", "matrix", "zoom", "present", "answered", "critical"};
  Fields fields;
  for (std::size_t begin = 0; begin < link.size();) {
    const std::size_t end = std::min(link.find('&', begin), link.size());
    const std::string field = link.substr(begin, end - begin);
    const std::size_t equals = field.find('=');
    const std::string key = field.substr(0, equals);
    bool knows = false;
    for (const char* each : known) knows = knows || key == each;
    require(knows && equals != std::string::npos && fields.count(key) == 0,
            "[deep link] a link is made of fields like device=2, each once; found ", in_quotes(field),
            "; copy one with the key Y");
    fields[key] = field.substr(equals + 1);
    begin = end + 1;
  }
  return fields;
}

double number_in(const Fields& fields, const char* key, double least, double most) {
  const std::string& text = fields.at(key);
  char* end = nullptr;
  const double x = std::strtod(text.c_str(), &end);
  require(!text.empty() && *end == 0 && x >= least && x <= most, "[deep link] ", key,
          " must be a number from ", least, " to ", most, "; found ", in_quotes(text));
  return x;
}

Index whole_in(const Fields& fields, const char* key, Index least, Index most) {
  const double x = number_in(fields, key, static_cast<double>(least), static_cast<double>(most));
  require(x == std::floor(x), "[deep link] ", key, " must be a whole number; found ",
          in_quotes(fields.at(key)));
  return static_cast<Index>(x);
}

// Which of the words the field is
std::size_t word_in(const Fields& fields, const char* key, const std::vector<std::string>& words) {
  std::string list;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (fields.at(key) == words[i]) return i;
    list += (list.empty() ? "" : ", ") + words[i];
  }
  throw BadInput("[deep link] " + std::string(key) + " must be one of " + list + "; found " +
                 in_quotes(fields.at(key)));
}

}  // namespace

std::string deep_link(const Session& session) {
  std::string link;
  const auto add = [&link](const std::string& key, const std::string& value) {
    link += (link.empty() ? "" : "&") + key + "=" + value;
  };
  const Settings& settings = session.settings;
  if (session.scene()) add("scene", session.scene()->id), add("beat", std::to_string(session.beat() + 1));
  if (session.answered()) add("answered", "1");
  add("clock", settings.clock == Clock::modelled ? "modelled" : "measured");
  add("t", exact(session.t()));
  add("device", std::to_string(session.selection.device));
  add("row", std::to_string(session.selection.row));
  add("theme", settings.theme);
  add("scale", exact(settings.scale));
  add("matrix", name(settings.matrix));
  add("critical", settings.critical_path ? "1" : "0");
  if (!settings.zoomed.empty()) add("zoom", settings.zoomed);
  if (settings.presenting) add("present", "1");
  return link;
}

void apply_deep_link(Session& session, const std::string& link) {
  const auto fields = fields_of(link);
  const auto has = [&](const char* key) { return fields.count(key) > 0; };
  if (has("scene")) session.open_scene(scene_called(fields.at("scene")));
  Settings& settings = session.settings;
  if (has("clock"))
    settings.clock =
        word_in(fields, "clock", {"modelled", "measured"}) == 0 ? Clock::modelled : Clock::measured;
  if (has("beat"))
    session.go_to_beat(static_cast<int>(whole_in(fields, "beat", 1, std::max(1, session.beats()))) - 1);
  if (has("answered") && word_in(fields, "answered", {"0", "1"}) == 1 && session.beats() &&
      !session.current_beat()->question.empty())
    session.proceed();
  if (has("t")) session.seek(number_in(fields, "t", 0, 1e300));
  const Recording& recording = session.recording();
  if (has("device"))
    session.selection.device = static_cast<int>(whole_in(fields, "device", 0, recording.devices() - 1));
  if (has("row"))
    session.selection.row = whole_in(fields, "row", 0, std::max<Index>(0, recording.header().Sq - 1));
  if (has("theme")) {
    std::vector<std::string> names;
    for (const Theme& each : themes()) names.emplace_back(each.name);
    settings.theme = names[word_in(fields, "theme", names)];
  }
  if (has("scale")) settings.scale = number_in(fields, "scale", 0.75, 3);
  if (has("matrix"))
    settings.matrix = static_cast<MatrixShows>(word_in(fields, "matrix", {"who", "when", "score"}));
  if (has("critical")) settings.critical_path = word_in(fields, "critical", {"0", "1"}) == 1;
  if (has("zoom")) settings.zoomed = panels[word_in(fields, "zoom", panels)];
  if (has("present")) settings.presenting = word_in(fields, "present", {"0", "1"}) == 1;
}

}  // namespace ringattn::viz

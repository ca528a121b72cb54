// The command line of ringviz, as who types it meets it.

#include <doctest/doctest.h>
#include <signal.h>

#include "reference/files/json.h"
#include "reference/files/safetensors.h"
#include "reference/files/trace_file.h"
#include "reference/trace/checker.h"
#include "tests/trials.h"
#include "tests/visualizer/program.h"
#include "tests/visualizer/random_config.h"
#include "visualizer/model/scene.h"
#include "visualizer/raster/image.h"
#include "visualizer/run/record.h"

using namespace ringattn;
using namespace ringattn::viz;
namespace fs = std::filesystem;

namespace {

// Writes the trace of a run and returns its path, as an argument
std::string traced(const fs::path& path, const RunConfig& config) {
  const Recorded run = record(config);
  write_trace(path, run.recording->header(), run.recording->events());
  return path;
}

// The same trace with another text somewhere in its header
std::string with_header(const fs::path& path, const std::string& trace, const std::string& before,
                        const std::string& after) {
  std::string bytes = content(trace);
  REQUIRE(bytes.find(before) < bytes.find('\n'));
  return write(path, bytes.replace(bytes.find(before), before.size(), after));
}

}  // namespace

// ---- What is refused -----------------------------------------------------------------------

TEST_CASE("options are known, complete and in their place") {
  refuses({"--fast"}, "--fast; see ringviz --help");
  refuses({"shot", "--fast", "--out", "x.png"}, "--fast; see ringviz shot --help");
  for (const std::string command : {"shot", "render", "movie", "export"})
    refuses({command}, "--out is required; see ringviz " + command + " --help");
  refuses({"check"}, "trace is required");
  refuses({"--scene", "ring", "shot", "--out", "x.png"}, "found --scene before shot");
  refuses({"run.trace", "check", "x"}, "found trace before check");
  refuses({"--devices", "4"}, "--devices requires --live");
  refuses({"export", "--scene", "ring", "--size", "100x100", "--out", "x"}, "--size");
  refuses({"movie", "--scene", "ring", "--beat", "2", "--out", "x.gif"}, "--beat");
}

TEST_CASE("a picture is of a size that can be drawn") {
  for (const std::string size :
       {"", "x", "1600", "1600x", "x900", "axb", "1600x900x3", "1600 x 900", "63x900", "1600x63", "8193x900",
        "0x0", "-5x900", "1e3x900", "99999999999x900"})
    refuses({"shot", "--size", size, "--out", "x.png"}, "found \"" + size + "\"; write 1600x900");
  for (const std::string scale : {"0.7", "3.1", "nan", "inf", "-1"})
    refuses({"shot", "--scale", scale, "--out", "x.png"}, "between 0.75 and 3");
  refuses({"shot", "--scale", "large", "--out", "x.png"}, "--scale");
  refuses({"shot", "--theme", "pink", "--out", "x.png"}, "dark, light or contrast");
}

TEST_CASE("scenes, beats, runs and moments are there") {
  refuses({"shot", "--scene", "nowhere", "--out", "x.png"}, R"(found "nowhere")");
  for (const std::string beat : {"0", "-1", "99"})
    refuses({"shot", "--scene", "ring", "--beat", beat, "--out", "x.png"}, "found " + beat);
  refuses({"shot", "--beat", "two", "--out", "x.png"}, "--beat");
  for (const std::string run : {"0", "-1", "2"})
    refuses({"export", "--scene", "ring", "--run", run, "--out", "x"}, "found " + run);
  for (const std::string state :
       {"nonsense", "scene=nowhere", "t=nan", "t=-1", "t=", "device=99", "device=-1", "device=x", "row=1e9",
        "beat=0", "theme=pink", "scale=9", "matrix=pink", "clock=pink", "zoom=pink", "critical=7", "=", "&"})
    refuses({"shot", "--state", state, "--out", "x.png"}, "[");
  refuses({"shot", "--scene", "ring", "--state", "scene=causal", "--out", "x.png"}, "found two");
}

TEST_CASE("a trace is a file, and a trace") {
  const Directory directory;
  const std::string trace = traced(directory.path / "a.trace", {}),
                    text = write(directory.path / "text", "Lorem ipsum\n");
  for (const std::string command : {"", "check", "shot", "movie", "export"}) {
    const auto call = [&](const std::string& path) {
      std::vector<std::string> arguments = {path};
      if (!command.empty()) arguments.insert(arguments.begin(), command);
      if (!command.empty() && command != "check")
        arguments.insert(arguments.end(), {"--out", directory.path / "out.gif"});
      return arguments;
    };
    refuses(call(directory.path / "missing"), "the file must exist");
    refuses(call(directory.path), "a directory");
    refuses(call("/dev/zero"), "a pipe or device");
    refuses(call(text), "line 1");
    refuses(call(write(directory.path / "cut", content(trace).substr(0, 5000))), "line ");
  }
  refuses({"shot", trace, "--scene", "ring", "--out", "x.png"}, "found two");
  refuses({"shot", trace, "--beat", "2", "--out", "x.png"}, "a trace has none");
  refuses({"render", trace, "--out", "x%02d.png"}, "a trace has none");
  refuses({"movie", trace, "--first", "2", "--out", "x.gif"}, "--first or --last");
  refuses({"export", trace, "--run", "2", "--out", "x"}, "a trace has one run");
  CHECK(directory.files() == 3);
}

TEST_CASE("movies and rows of pictures have names and lengths that make sense") {
  refuses({"render", "--scene", "ring", "--out", "ring.png"}, "write %02d there");
  refuses({"render", "--scene", "ring", "--out", "%02d%02d.png"}, "write %02d there");
  refuses({"movie", "--scene", "ring", "--out", "ring.avi"}, ".mp4, .webm, .gif or .png");
  const auto refuses_movie = [](const std::string& option, const std::string& value) {
    refuses({"movie", "--scene", "ring", "--out", "x.gif", option, value}, option);
  };
  for (const std::string value : {"nan", "-1", "1e9", "x"})
    for (const std::string option : {"--pause", "--speed"}) refuses_movie(option, value);
  for (const std::string value : {"0", "99", "-3", "1.5"})
    for (const std::string option : {"--first", "--last"}) refuses_movie(option, value);
  for (const std::string value : {"0", "61", "1.5"}) refuses_movie("--fps", value);
  refuses({"movie", "--scene", "ring", "--first", "3", "--last", "2", "--out", "x.gif"}, "--last");
}

TEST_CASE("a live run is one that can be watched") {
  for (const std::string option : {"--devices", "--seq", "--dim"})
    for (const std::string value : {"0", "-1", "100000", "x"})
      refuses({"--live", option, value}, option.substr(2));
  refuses({"--live", "--layout", "spiral"}, "spiral");
  refuses({"--live", "--rotate", "v"}, "kv or q");
  refuses({"--live", "--scene", "ring"}, "a run of its own");
  refuses({"--live", "--state", "t=5"}, "a run of its own");
}

TEST_CASE("a window needs a display, and says so") {
  refuses({}, "a window needs a display");
  refuses({"--live"}, "a window needs a display");
  for (const std::string frames : {"0", "-1", "x"}) refuses({"--frames", frames}, "--frames");
}

// ---- What is written -------------------------------------------------------------------------

TEST_CASE("files that exist survive bad input and places that cannot be written") {
  const Directory directory;
  const std::string trace = traced(directory.path / "a.trace", {}), before = content(trace),
                    old = write(directory.path / "old.png", "before");
  refuses({"shot", trace, "--out", trace}, "one purpose");
  refuses({"shot", trace, "--out", directory.path / "." / "a.trace"}, "one purpose");
  refuses({"export", trace, "--perfetto", "--out", trace}, "one purpose");
  refuses({"check", trace, "--json", trace}, "one purpose");
  refuses({"shot", "--out", old, "--json", old}, "one purpose");
  refuses({"shot", "--state", "t=x", "--out", old}, "t must be");
  refuses({"movie", "--scene", "nowhere", "--out", directory.path / "old.gif"}, "nowhere");
  for (const std::string command : {"shot", "export", "movie"}) {
    refuses({command, trace, "--out", directory.path / "missing" / "x.gif"}, "No such file");
    refuses({command, trace, "--out", ""}, "");
  }
  refuses({"shot", "--scene", "ring", "--out", directory.path}, "a directory");
  refuses({"shot", "--out", old, "--json", directory.path / "missing" / "x"}, "No such file");
  CHECK(content(trace) == before);
  CHECK(content(old) == "before");
  CHECK(directory.files() == 2);
}

TEST_CASE("a movie that is interrupted leaves no half of a file") {
  if (!is_installed("ffmpeg")) {
    MESSAGE("left out: there is no ffmpeg");
    return;
  }
  for (const int signal : {SIGINT, SIGTERM}) {
    const Directory directory, temporary;
    Program movie(ringviz({"movie", "--scene", "ring", "--pause", "60", "--out", directory.path / "a.mp4"}),
                  {"TMPDIR=" + temporary.path.string()});
    // It has begun to write
    CHECK(eventually([&] { return directory.files() > 0 && temporary.files() > 0; }));
    movie.send_signal(signal);
    CHECK(movie.answer().status == 128 + signal);
    CHECK(directory.files() == 0);
    CHECK(eventually([&] { return temporary.files() == 0; }));
  }
}

TEST_CASE("each command has a help with examples") {
  for (const std::string command : {"", "shot", "render", "movie", "check", "export"}) {
    std::vector<std::string> arguments = {"--help"};
    if (!command.empty()) arguments.insert(arguments.begin(), command);
    const std::string help = succeeds(arguments).out;
    CAPTURE(help);
    CHECK(help.find("ringviz " + (command.empty() ? "--scene" : command)) != std::string::npos);
    CHECK(help.find("Example") != std::string::npos);
  }
  CHECK(succeeds({"--version"}).out.rfind("ringviz ", 0) == 0);
}

// ---- What the commands do ---------------------------------------------------------------------

TEST_CASE("shot writes a picture of that size, and reports the state that shows the same again") {
  const Directory directory;
  const std::string first = directory.path / "1.png", second = directory.path / "2.png";
  const Answer answer = succeeds({"shot", "--scene", "causal", "--beat", "2", "--theme", "light", "--scale",
                                  "1.5", "--size", "640x360", "--out", first, "--json", "-"});
  const Json report = Json::parse(answer.out);
  CHECK(report["file"] == first);
  CHECK(report["width"] == 640);
  CHECK(report["height"] == 360);
  const Image picture = read_png(first);
  CHECK(picture.width == 640);
  CHECK(picture.height == 360);
  succeeds({"shot", "--state", report["state"], "--size", "640x360", "--out", second, "--json",
            directory.path / "report"});
  CHECK(content(first) == content(second));
  CHECK(Json::parse(content(directory.path / "report"))["state"] == report["state"]);
}

TEST_CASE("what is asked for wins over what a link says") {
  const Directory directory;
  const std::string light = directory.path / "light.png", dark = directory.path / "dark.png";
  succeeds(
      {"shot", "--state", "scene=ring&theme=dark", "--theme", "light", "--size", "320x180", "--out", light});
  succeeds({"shot", "--state", "scene=ring&theme=dark", "--size", "320x180", "--out", dark});
  CHECK(content(light) != content(dark));
}

TEST_CASE("render writes a picture of each beat") {
  const Directory directory;
  const Answer answer =
      succeeds({"render", "--scene", "maximum", "--size", "320x180", "--out", directory.path / "%02d.png"});
  const auto beats = static_cast<std::ptrdiff_t>(scene_called("maximum").beats.size());
  CHECK(directory.files() == beats);
  CHECK(std::count(answer.out.begin(), answer.out.end(), '\n') == beats);
  CHECK(read_png(directory.path / "01.png").width == 320);
}

TEST_CASE("movie writes numbered pictures without any other program") {
  const Directory directory;
  const Answer answer = succeeds({"movie", "--scene", "ring", "--last", "3", "--pause", "0.2", "--fps", "10",
                                  "--speed", "1", "--size", "320x180", "--out", directory.path / "a.png"});
  CHECK(directory.files() >= 4);
  CHECK(answer.out.find(std::to_string(directory.files()) + " pictures") != std::string::npos);
}

TEST_CASE("check says whether a trace is valid, in its status and its report") {
  const Directory directory;
  const std::string good = traced(directory.path / "good", {});
  const Answer valid = succeeds({"check", good});
  CHECK(valid.out.rfind("valid: ", 0) == 0);
  CHECK(Json::parse(succeeds({"check", good, "--json", "-"}).out)["valid"] == true);

  RunConfig config;
  config.fault = "no_rescale";
  const Answer broken = Program(ringviz({"check", traced(directory.path / "bad", config)})).answer();
  CHECK(broken.status == 1);
  CHECK(broken.err == "");
  CHECK(broken.out != "");
  const Answer report =
      Program(ringviz({"check", directory.path / "bad", "--json", directory.path / "report"})).answer();
  CHECK(report.status == 1);
  CHECK(report.out == broken.out);
  const Json json = Json::parse(content(directory.path / "report"));
  CHECK(json["valid"] == false);
  CHECK(json["broken"].size() ==
        static_cast<std::size_t>(std::count(broken.out.begin(), broken.out.end(), '\n')));
}

TEST_CASE("export writes valid traces, the same each time where wall times are left out") {
  const Directory directory;
  const std::string once = directory.path / "1", again = directory.path / "2",
                    perfetto = directory.path / "3";
  for (const std::string& path : {once, again})
    succeeds({"export", "--scene", "overlap", "--run", "2", "--without-wall-times", "--out", path});
  CHECK(content(once) == content(again));
  const TraceFile trace = read_trace(once);
  CHECK(broken_invariants(trace.header, trace.events).empty());
  succeeds({"export", once, "--perfetto", "--out", perfetto});
  CHECK(Json::parse(content(perfetto)).contains("traceEvents"));
}

// ---- Traces of every kind ------------------------------------------------------------------------

TEST_CASE("traces of every kind of run are shown") {
  const Directory directory;
  Random random(1);
  for (int n = 0; n < trials(12); ++n) {
    const std::string trace = traced(directory.path / "a.trace", random_config(random, 9)),
                      picture = directory.path / "a.png";
    succeeds({"shot", trace, "--size", "960x540", "--out", picture});
    succeeds({"check", trace});
  }
}

#ifdef RINGATTN_EXECUTABLE
TEST_CASE("what ringattn run --trace writes is shown") {
  const Directory directory;
  // Two documents, told apart by segment ids and by their lengths
  SafetensorsFile segments, documents;
  Random random(1);
  for (const char* const name : {"q", "k", "v"})
    segments.tensors[name] =
        stored_tensor<double>(normal_tensor<double>({1, 6, 2, 4}, random), Dtype::f32, Axes::bshd);
  documents = segments;
  segments.tensors["q_segment_ids"] = segments.tensors["kv_segment_ids"] =
      stored_integers({0, 0, 1, 1, 1, 2});
  documents.tensors["cu_seqlens_q"] = documents.tensors["cu_seqlens_k"] = stored_integers({0, 4, 6});
  write_safetensors(directory.path / "segments", segments);
  write_safetensors(directory.path / "documents", documents);

  using Options = std::vector<std::string>;
  for (const Options& options :
       {Options{"--seq", "24", "--dtype", "bf16", "--batch", "2", "--backward"},
        Options{"--seq", "30", "--heads", "4", "--kv-heads", "2", "--rotate", "q"},
        Options{"--seq", "9", "--kv-seq", "40", "--causal", "--causal-align", "top-left"},
        Options{"--seq", "16", "--window", "3,2", "--layout", "striped", "--devices", "7"},
        Options{"--input", directory.path / "segments", "--devices", "3"},
        Options{"--input", directory.path / "documents", "--causal"},
        Options{"--seq", "2", "--devices", "40", "--transport", "lockstep"},
        Options{"--seq", "200", "--devices", "8"}}) {
    const std::string trace = directory.path / "a.trace";
    Options command = {RINGATTN_EXECUTABLE, "run", "--trace", trace, "--trace-rows", "all"};
    command.insert(command.end(), options.begin(), options.end());
    REQUIRE(Program(command).answer().status == 0);
    succeeds({"check", trace});
    for (const std::string state : {"t=0", "t=500&matrix=score", "t=1e9&row=1"})
      succeeds({"shot", trace, "--state", state, "--size", "960x540", "--out", directory.path / "a.png"});
  }
}
#endif

TEST_CASE("a trace that knows some rows only is shown") {
  const Directory directory;
  const Recorded run = record({});
  std::vector<Event> events;
  for (const Event& event : run.recording->events())
    if (!event.row || event.row->row == 7) events.push_back(event);
  write_trace(directory.path / "a.trace", run.recording->header(), events);
  for (const std::string row : {"0", "7"})
    succeeds({"shot", directory.path / "a.trace", "--state", "t=500&row=" + row, "--size", "960x540", "--out",
              directory.path / "a.png"});
}

TEST_CASE("a trace without events, of too many devices or of many tokens is shown or refused at once") {
  const Directory directory;
  const std::string trace = traced(directory.path / "a.trace", {}), picture = directory.path / "a.png";
  const std::string header = content(trace).substr(0, content(trace).find('\n') + 1);
  const std::string empty = write(directory.path / "empty", header);
  succeeds({"shot", empty, "--size", "960x540", "--out", picture});
  CHECK(Program(ringviz({"check", empty})).answer().status == 1);

  const std::string many =
      with_header(directory.path / "many", empty, "\"devices\": 4", "\"devices\": 65536");
  refuses({"shot", many, "--out", picture}, "at most 128 devices");
  CHECK(Program(ringviz({"check", many})).answer().status == 1);

  for (const std::string tokens : {"1000000", "9223372036854775807"}) {
    const std::string longer = with_header(directory.path / "long", trace, "\"seq\": 16, \"kv_seq\": 16",
                                           "\"seq\": " + tokens + ", \"kv_seq\": " + tokens);
    succeeds({"shot", longer, "--size", "960x540", "--out", picture});
  }
}

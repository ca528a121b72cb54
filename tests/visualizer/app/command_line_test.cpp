// Tests of the command line of ringviz, run as a program.

#include <doctest/doctest.h>
#include <signal.h>

#include "reference/files/json.h"
#include "reference/files/tensors/safetensors.h"
#include "reference/files/trace_file.h"
#include "reference/trace/check/checker.h"
#include "tests/support/trials.h"
#include "tests/visualizer/support/program.h"
#include "tests/visualizer/support/random_config.h"
#include "visualizer/raster/image.h"
#include "visualizer/run/record_run.h"
#include "visualizer/session/scene.h"

using namespace ringattn;
using namespace ringattn::viz;
namespace fs = std::filesystem;

namespace {

// Writes the trace of a run and returns its path
std::string traced(const fs::path& path, const RunConfig& config) {
  const RecordedRun run = record_run(config);
  write_trace(path, run.recording->header(), run.recording->events());
  return path;
}

// A copy of the trace with one text in its header replaced
std::string with_header(const fs::path& path, const std::string& trace, const std::string& before,
                        const std::string& after) {
  std::string bytes = read_file(trace);
  REQUIRE(bytes.find(before) < bytes.find('\n'));
  return write_file(path, bytes.replace(bytes.find(before), before.size(), after));
}

}  // namespace

// ---- Bad input -----------------------------------------------------------------------------

TEST_CASE("unknown, missing and misplaced options are rejected") {
  expect_rejection({"--fast"}, "\"--fast\"; see ringviz --help");
  expect_rejection({"shot", "--fast", "--out", "x.png"}, "\"--fast\"; see ringviz shot --help");
  for (const std::string command : {"shot", "render", "movie", "export"})
    expect_rejection({command}, "--out is required; see ringviz " + command + " --help");
  expect_rejection({"check"}, "trace is required");
  expect_rejection({"--scene", "ring", "shot", "--out", "x.png"}, "found --scene before shot");
  expect_rejection({"run.trace", "check", "x"}, "found trace before check");
  expect_rejection({"--devices", "4"}, "--devices requires --live");
  expect_rejection({"export", "--scene", "ring", "--size", "100x100", "--out", "x"}, "--size");
  expect_rejection({"movie", "--scene", "ring", "--beat", "2", "--out", "x.gif"}, "--beat");
}

TEST_CASE("invalid sizes, scales and themes are rejected") {
  for (const std::string size :
       {"", "x", "1600", "1600x", "x900", "axb", "1600x900x3", "1600 x 900", "63x900", "1600x63", "8193x900",
        "0x0", "-5x900", "1e3x900", "99999999999x900"})
    expect_rejection({"shot", "--size", size, "--out", "x.png"}, "found \"" + size + "\"; write 1600x900");
  for (const std::string scale : {"0.7", "3.1", "nan", "inf", "-1"})
    expect_rejection({"shot", "--scale", scale, "--out", "x.png"}, "between 0.75 and 3");
  expect_rejection({"shot", "--scale", "large", "--out", "x.png"}, "--scale");
  expect_rejection({"shot", "--theme", "pink", "--out", "x.png"}, "dark, light or contrast");
}

TEST_CASE("missing scenes, beats, runs and moments are rejected") {
  expect_rejection({"shot", "--scene", "nowhere", "--out", "x.png"}, R"(found "nowhere")");
  for (const std::string beat : {"0", "-1", "99"})
    expect_rejection({"shot", "--scene", "ring", "--beat", beat, "--out", "x.png"}, "found " + beat);
  expect_rejection({"shot", "--beat", "two", "--out", "x.png"}, "--beat");
  for (const std::string run : {"0", "-1", "2"})
    expect_rejection({"export", "--scene", "ring", "--run", run, "--out", "x"}, "found " + run);
  for (const std::string state :
       {"nonsense", "scene=nowhere", "t=nan", "t=-1", "t=", "device=99", "device=-1", "device=x", "row=1e9",
        "beat=0", "theme=pink", "scale=9", "matrix=pink", "clock=pink", "zoom=pink", "critical=7", "=", "&"})
    expect_rejection({"shot", "--state", state, "--out", "x.png"}, "[");
  expect_rejection({"shot", "--scene", "ring", "--state", "scene=causal", "--out", "x.png"}, "found two");
}

TEST_CASE("files that are not traces are rejected") {
  const TemporaryDirectory directory;
  const std::string trace = traced(directory.path / "a.trace", {}),
                    text = write_file(directory.path / "text", "Lorem ipsum\n");
  for (const std::string command : {"", "check", "shot", "movie", "export"}) {
    const auto call = [&](const std::string& path) {
      std::vector<std::string> arguments = {path};
      if (!command.empty()) arguments.insert(arguments.begin(), command);
      if (!command.empty() && command != "check")
        arguments.insert(arguments.end(), {"--out", directory.path / "out.gif"});
      return arguments;
    };
    expect_rejection(call(directory.path / "missing"), "the file must exist");
    expect_rejection(call(directory.path), "a directory");
    expect_rejection(call("/dev/zero"), "a pipe or device");
    expect_rejection(call(text), "line 1");
    expect_rejection(call(write_file(directory.path / "cut", read_file(trace).substr(0, 5000))), "line ");
  }
  expect_rejection({"shot", trace, "--scene", "ring", "--out", "x.png"}, "found two");
  expect_rejection({"shot", trace, "--beat", "2", "--out", "x.png"}, "a trace has no beats");
  expect_rejection({"render", trace, "--out", "x%02d.png"}, "a trace has no beats");
  expect_rejection({"movie", trace, "--first", "2", "--out", "x.gif"}, "--first or --last");
  expect_rejection({"export", trace, "--run", "2", "--out", "x"}, "a trace has one run");
  CHECK(directory.files() == 3);
}

TEST_CASE("invalid names and lengths of movies are rejected") {
  expect_rejection({"render", "--scene", "ring", "--out", "ring.png"}, "such as ring_%02d.png");
  expect_rejection({"render", "--scene", "ring", "--out", "%02d%02d.png"}, "such as ring_%02d.png");
  expect_rejection({"movie", "--scene", "ring", "--out", "ring.avi"}, ".mp4, .webm, .gif or .png");
  const auto refuses_movie = [](const std::string& option, const std::string& value) {
    expect_rejection({"movie", "--scene", "ring", "--out", "x.gif", option, value}, option);
  };
  for (const std::string value : {"nan", "-1", "1e9", "x"})
    for (const std::string option : {"--pause", "--speed"}) refuses_movie(option, value);
  for (const std::string value : {"0", "99", "-3", "1.5"})
    for (const std::string option : {"--first", "--last"}) refuses_movie(option, value);
  for (const std::string value : {"0", "61", "1.5"}) refuses_movie("--fps", value);
  expect_rejection({"movie", "--scene", "ring", "--first", "3", "--last", "2", "--out", "x.gif"}, "--last");
}

TEST_CASE("invalid live runs are rejected") {
  for (const std::string option : {"--devices", "--seq", "--dim"})
    for (const std::string value : {"0", "-1", "100000", "x"})
      expect_rejection({"--live", option, value}, option.substr(2));
  expect_rejection({"--live", "--layout", "spiral"}, "spiral");
  expect_rejection({"--live", "--rotate", "v"}, "kv or q");
  expect_rejection({"--live", "--scene", "ring"}, "a live run excludes");
  expect_rejection({"--live", "--state", "t=5"}, "a live run excludes");
}

TEST_CASE("a window without a display is rejected with a sentence") {
  expect_rejection({}, "a window needs a display");
  expect_rejection({"--live"}, "a window needs a display");
  for (const std::string frames : {"0", "-1", "x"}) expect_rejection({"--frames", frames}, "--frames");
}

// ---- Output files ----------------------------------------------------------------------------

TEST_CASE("existing files survive bad input and unwritable paths") {
  const TemporaryDirectory directory;
  const std::string trace = traced(directory.path / "a.trace", {}), before = read_file(trace),
                    old = write_file(directory.path / "old.png", "before");
  expect_rejection({"shot", trace, "--out", trace}, "must not overwrite");
  expect_rejection({"shot", trace, "--out", directory.path / "." / "a.trace"}, "must not overwrite");
  expect_rejection({"export", trace, "--perfetto", "--out", trace}, "must not overwrite");
  expect_rejection({"check", trace, "--json", trace}, "must not overwrite");
  expect_rejection({"shot", "--out", old, "--json", old}, "different files");
  expect_rejection({"shot", "--state", "t=x", "--out", old}, "t must be");
  expect_rejection({"movie", "--scene", "nowhere", "--out", directory.path / "old.gif"}, "nowhere");
  for (const std::string command : {"shot", "export", "movie"}) {
    expect_rejection({command, trace, "--out", directory.path / "missing" / "x.gif"}, "No such file");
    expect_rejection({command, trace, "--out", ""}, "");
  }
  expect_rejection({"shot", "--scene", "ring", "--out", directory.path}, "a directory");
  expect_rejection({"shot", "--out", old, "--json", directory.path / "missing" / "x"}, "No such file");
  CHECK(read_file(trace) == before);
  CHECK(read_file(old) == "before");
  CHECK(directory.files() == 2);
}

TEST_CASE("a movie of a scene never stands still for more than four seconds") {
  const TemporaryDirectory directory;
  constexpr int fps = 2;
  for (const std::string scene : {"row", "memory", "tile", "recall"}) {
    run_successfully({"movie", "--scene", scene, "--fps", std::to_string(fps), "--size", "320x180", "--out",
                      directory.path / (scene + ".png")});
    int still = 0, longest = 0, pictures = 0;
    Image before(1, 1);
    for (;; ++pictures) {
      char name[32];
      std::snprintf(name, sizeof name, "%s_%04d.png", scene.c_str(), pictures);
      if (!std::filesystem::exists(directory.path / name)) break;
      Image now = read_png(directory.path / name);
      still = now.rgba == before.rgba ? still + 1 : 1;
      longest = std::max(longest, still);
      before = std::move(now);
    }
    INFO(scene << ", " << pictures << " pictures");
    CHECK(pictures > 20 * fps);
    CHECK(longest <= 4 * fps + 1);
  }
}

TEST_CASE("beside a movie of a scene are its texts as subtitles, one after the other") {
  if (!is_installed("ffmpeg")) return;
  const TemporaryDirectory directory;
  run_successfully({"movie", "--scene", "row", "--fps", "5", "--pause", "0.4", "--size", "320x180", "--out",
                    directory.path / "row.mp4"});
  const std::string subtitles = read_file(directory.path / "row.srt");
  std::size_t place = 0;
  for (const Beat& beat : find_scene("row").beats)
    for (const std::string& text : {beat.text, beat.answer}) {
      INFO(text);
      const std::size_t next = subtitles.find(text, place);
      CHECK(next != std::string::npos);
      place = std::min(next, subtitles.size());
    }
  CHECK(subtitles.find(find_scene("row").takeaway, place) != std::string::npos);
  CHECK(subtitles.rfind("1\n00:00:02,000 --> ", 0) == 0);
}

TEST_CASE("an interrupted movie leaves no partial file") {
  if (!is_installed("ffmpeg")) {
    MESSAGE("left out: there is no ffmpeg");
    return;
  }
  for (const int signal : {SIGINT, SIGTERM}) {
    const TemporaryDirectory directory, temporary;
    Program movie(ringviz({"movie", "--scene", "ring", "--pause", "60", "--out", directory.path / "a.mp4"}),
                  {"TMPDIR=" + temporary.path.string()});
    // Wait until it has begun to write
    CHECK(eventually([&] { return directory.files() > 0; }));
    movie.send_signal(signal);
    CHECK(movie.answer().status == 128 + signal);
    CHECK(directory.files() == 0);
    CHECK(temporary.files() == 0);
  }
}

TEST_CASE("each command has a help with examples") {
  for (const std::string command : {"", "shot", "render", "movie", "check", "export"}) {
    std::vector<std::string> arguments = {"--help"};
    if (!command.empty()) arguments.insert(arguments.begin(), command);
    const std::string help = run_successfully(arguments).out;
    CAPTURE(help);
    CHECK(help.find("ringviz " + (command.empty() ? "--scene" : command)) != std::string::npos);
    CHECK(help.find("Example") != std::string::npos);
  }
  CHECK(run_successfully({"--version"}).out.rfind("ringviz ", 0) == 0);
}

// ---- What the commands do ---------------------------------------------------------------------

TEST_CASE("shot writes a picture of the given size and reports the state that reproduces it") {
  const TemporaryDirectory directory;
  const std::string first = directory.path / "1.png", second = directory.path / "2.png";
  const ProcessResult answer =
      run_successfully({"shot", "--scene", "causal", "--beat", "2", "--theme", "light", "--scale", "1.5",
                        "--size", "640x360", "--out", first, "--json", "-"});
  const Json report = Json::parse(answer.out);
  CHECK(report["file"] == first);
  CHECK(report["width"] == 640);
  CHECK(report["height"] == 360);
  const Image picture = read_png(first);
  CHECK(picture.width == 640);
  CHECK(picture.height == 360);
  run_successfully({"shot", "--state", report["state"], "--size", "640x360", "--out", second, "--json",
                    directory.path / "report"});
  CHECK(read_file(first) == read_file(second));
  CHECK(Json::parse(read_file(directory.path / "report"))["state"] == report["state"]);
}

TEST_CASE("style options take precedence over a link") {
  const TemporaryDirectory directory;
  const std::string light = directory.path / "light.png", dark = directory.path / "dark.png";
  run_successfully(
      {"shot", "--state", "scene=ring&theme=dark", "--theme", "light", "--size", "320x180", "--out", light});
  run_successfully({"shot", "--state", "scene=ring&theme=dark", "--size", "320x180", "--out", dark});
  CHECK(read_file(light) != read_file(dark));
}

TEST_CASE("render writes a picture of each beat") {
  const TemporaryDirectory directory;
  const ProcessResult answer = run_successfully(
      {"render", "--scene", "maximum", "--size", "320x180", "--out", directory.path / "%02d.png"});
  const auto beats = static_cast<std::ptrdiff_t>(find_scene("maximum").beats.size());
  CHECK(directory.files() == beats);
  CHECK(std::count(answer.out.begin(), answer.out.end(), '\n') == beats);
  CHECK(read_png(directory.path / "01.png").width == 320);
}

TEST_CASE("movie writes numbered pictures without another program") {
  const TemporaryDirectory directory;
  const ProcessResult answer =
      run_successfully({"movie", "--scene", "ring", "--last", "3", "--pause", "0.2", "--fps", "10", "--speed",
                        "1", "--size", "320x180", "--out", directory.path / "a.png"});
  CHECK(directory.files() >= 4);
  CHECK(answer.out.find(std::to_string(directory.files()) + " pictures") != std::string::npos);
}

TEST_CASE("check reports by its status and its report whether a trace is valid") {
  const TemporaryDirectory directory;
  const std::string good = traced(directory.path / "good", {});
  const ProcessResult valid = run_successfully({"check", good});
  CHECK(valid.out.rfind("valid: ", 0) == 0);
  CHECK(Json::parse(run_successfully({"check", good, "--json", "-"}).out)["valid"] == true);

  RunConfig config;
  config.fault = "no_rescale";
  const ProcessResult broken = Program(ringviz({"check", traced(directory.path / "bad", config)})).answer();
  CHECK(broken.status == 1);
  CHECK(broken.err == "");
  CHECK(broken.out != "");
  const ProcessResult report =
      Program(ringviz({"check", directory.path / "bad", "--json", directory.path / "report"})).answer();
  CHECK(report.status == 1);
  CHECK(report.out == broken.out);
  const Json json = Json::parse(read_file(directory.path / "report"));
  CHECK(json["valid"] == false);
  CHECK(json["broken"].size() ==
        static_cast<std::size_t>(std::count(broken.out.begin(), broken.out.end(), '\n')));
}

TEST_CASE("export writes valid traces, reproducible without wall times") {
  const TemporaryDirectory directory;
  const std::string once = directory.path / "1", again = directory.path / "2",
                    perfetto = directory.path / "3";
  for (const std::string& path : {once, again})
    run_successfully({"export", "--scene", "overlap", "--run", "2", "--without-wall-times", "--out", path});
  CHECK(read_file(once) == read_file(again));
  const TraceFile trace = read_trace(once);
  CHECK(broken_invariants(trace.header, trace.events).empty());
  run_successfully({"export", once, "--perfetto", "--out", perfetto});
  CHECK(Json::parse(read_file(perfetto)).contains("traceEvents"));
}

// ---- Traces of every kind ------------------------------------------------------------------------

TEST_CASE("traces of random runs are shown") {
  const TemporaryDirectory directory;
  Random random(1);
  for (int n = 0; n < trials(12); ++n) {
    const std::string trace = traced(directory.path / "a.trace", random_config(random, 9)),
                      picture = directory.path / "a.png";
    run_successfully({"shot", trace, "--size", "960x540", "--out", picture});
    run_successfully({"check", trace});
  }
}

#ifdef RINGATTN_EXECUTABLE
TEST_CASE("traces of ringattn run are shown") {
  const TemporaryDirectory directory;
  // Documents in one sequence, given by segment ids and by their lengths
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
    run_successfully({"check", trace});
    for (const std::string state : {"t=0", "t=500&matrix=score", "t=1e9&row=1"})
      run_successfully(
          {"shot", trace, "--state", state, "--size", "960x540", "--out", directory.path / "a.png"});
  }
}
#endif

TEST_CASE("a trace of some rows only is shown") {
  const TemporaryDirectory directory;
  const RecordedRun run = record_run({});
  std::vector<Event> events;
  for (const Event& event : run.recording->events())
    if (!event.row || event.row->row == 7) events.push_back(event);
  write_trace(directory.path / "a.trace", run.recording->header(), events);
  for (const std::string row : {"0", "7"})
    run_successfully({"shot", directory.path / "a.trace", "--state", "t=500&row=" + row, "--size", "960x540",
                      "--out", directory.path / "a.png"});
}

TEST_CASE("a trace without events, of too many devices or of many tokens is shown or rejected at once") {
  const TemporaryDirectory directory;
  const std::string trace = traced(directory.path / "a.trace", {}), picture = directory.path / "a.png";
  const std::string header = read_file(trace).substr(0, read_file(trace).find('\n') + 1);
  const std::string empty = write_file(directory.path / "empty", header);
  run_successfully({"shot", empty, "--size", "960x540", "--out", picture});
  CHECK(Program(ringviz({"check", empty})).answer().status == 1);

  const std::string many = with_header(directory.path / "many", empty, "\"devices\": 4", "\"devices\": 1024");
  expect_rejection({"shot", many, "--out", picture}, "at most 128 devices");
  CHECK(Program(ringviz({"check", many})).answer().status == 1);

  for (const std::string rows : {"1000000", "9223372036854775807"}) {
    const std::string longer = with_header(directory.path / "long", trace, "\"seq\": 16, \"kv_seq\": 16",
                                           "\"seq\": " + rows + ", \"kv_seq\": " + rows);
    run_successfully({"shot", longer, "--size", "960x540", "--out", picture});
  }
}

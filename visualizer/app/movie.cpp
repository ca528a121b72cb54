#include "reference/cli/args/rule.h"
#include "visualizer/raster/movie.h"
#include "reference/cli/args/command.h"

#include <algorithm>
#include <cstdio>

#include "reference/definition/bad_input.h"
#include "visualizer/app/commands.h"
#include "visualizer/app/render_screen.h"
#include "visualizer/app/session_options.h"
#include "visualizer/run/record_run.h"

namespace ringattn::viz {

namespace {

struct MovieCommand {
  SessionOptions options;
  std::string out;
  int fps = 30, gif_width = 960;
  double speed = 1;
  std::optional<int> first, last;  // beats
  std::optional<double> pause;
  bool without_texts = false;
};

// Time goes from frame to frame by the number of frames a second, never by a clock: every run makes the same
// movie.
class MovieRecorder {
 public:
  MovieRecorder(const MovieCommand& command, Session& session)
      : command_(command),
        session_(session),
        screen_(command.options.width(), command.options.height(), session.settings.scale),
        writer_(command.out, command.options.width(), command.options.height(),
                {command.fps, false, command.gif_width, std::min(15, command.fps)}) {}

  void film_all() {
    session_.speed = command_.speed;
    if (session_.beats() > 0)
      film_beats();
    else
      film_run();
    writer_.finish();
    std::printf("%s: %d pictures\n", command_.out.c_str(), writer_.pictures());
  }

 private:
  double seconds() const { return 1.0 / command_.fps; }
  void film_frame() { writer_.add(render_screen(screen_, session_)); }

  void film_pause(double length) {
    const Image still = render_screen(screen_, session_);
    for (int frame = 0; frame < std::max(1, static_cast<int>(length * command_.fps)); ++frame)
      writer_.add(still);
  }

  // As long as it takes to read the text of the beat
  double reading_seconds() const {
    if (command_.pause) return *command_.pause;
    const Beat& beat = *session_.current_beat();
    const std::string& text = session_.answered() ? beat.answer : beat.text + beat.question;
    return 1 + 0.055 * static_cast<double>(text.size());
  }

  void film_beats() {
    const int last = command_.last.value_or(session_.beats());
    session_.go_to_beat(command_.first.value_or(1) - 1);
    for (;;) {
      film_pause(reading_seconds());
      const int here = session_.beat();
      if (here + 1 >= last && (session_.current_beat()->question.empty() || session_.answered())) return;
      session_.proceed();
      while (session_.playing()) {
        session_.advance(seconds());
        if (session_.playing()) film_frame();
      }
    }
  }

  void film_run() {
    film_pause(0.5);
    session_.play(true);
    while (session_.playing()) {
      session_.advance(seconds());
      film_frame();
    }
    film_pause(1.5);
  }

  const MovieCommand& command_;
  Session& session_;
  HeadlessScreen screen_;
  MovieWriter writer_;
};

// Throws BadInput where there is no such movie of a scene of so many beats, or of a trace, which has none
void check(const MovieCommand& o, int beats) {
  require(!o.pause || (*o.pause >= 0 && *o.pause <= 60),
          "[--pause] a beat stands for 0 to 60 seconds; found ", o.pause.value_or(0));
  require(o.speed >= 0.05 && o.speed <= 8, "[--speed] the speed lies between 0.05 and 8; found ", o.speed);
  require(beats > 0 || (!o.first && !o.last),
          "[movie] only a scene that is told has beats; found --first or --last; leave them out");
  require(!o.first || (*o.first >= 1 && *o.first <= beats), "[--first] the scene has beats 1 to ", beats,
          "; found ", o.first.value_or(0));
  const int first = o.first.value_or(1);
  require(!o.last || (*o.last >= first && *o.last <= beats), "[--last] the beats from ", first, " to ", beats,
          " may be the last; found ", o.last.value_or(0));
}

// What a scene shows first, as if it were a trace
void drop_captions(Session& session) {
  if (!session.scene()) return;
  const Selection selection = session.selection;
  session.open_recording(record_run(session.scene()->runs.front().config).recording, session.title());
  session.selection = selection;
}

}  // namespace

void add_movie(Program& program) {
  Command* command = program.add_command(
      "movie", "A movie of a scene or a trace: MP4, GIF or WebM through ffmpeg, or numbered PNGs");
  const auto o = std::make_shared<MovieCommand>();
  o->options.add_trace_and_scene(*command);
  o->options.add_state(*command);
  o->options.add_style_options(*command);
  command->add_option("--out", o->out, "the file to write: .mp4, .gif, .webm, or .png for numbered pictures")
      ->type_name("FILE")
      ->required();
  command->add_option("--fps", o->fps, "pictures a second")
      ->type_name("N")
      ->check(cli::whole_number(1, 60))
      ->capture_default_str();
  command->add_option("--first", o->first, "beat to begin with, from 1")->type_name("N");
  command->add_option("--last", o->last, "beat to end with; default: the last")->type_name("N");
  command
      ->add_option("--pause", o->pause,
                   "seconds that each beat stands; default: as long as its text takes to read")
      ->type_name("S");
  command->add_flag("--without-texts", o->without_texts, "the run of a scene in one go, and nothing said");
  command->add_option("--speed", o->speed, "of what moves, 0.05 to 8")->type_name("X")->capture_default_str();
  command->add_option("--gif-width", o->gif_width, "of a GIF, at most")
      ->type_name("PIXELS")
      ->check(cli::whole_number(64, 4096))
      ->capture_default_str();
  command->footer(
      "Examples:\n  ringviz movie --scene ring --out ring.mp4\n  ringviz movie run.trace --size 1280x720 "
      "--out run.gif");
  command->action([o] {
    o->options.forbid_overwrite("--out", o->out);
    Session session;
    o->options.open(session);
    if (o->without_texts) drop_captions(session);
    check(*o, session.beats());
    MovieRecorder(*o, session).film_all();
    return 0;
  });
}

}  // namespace ringattn::viz

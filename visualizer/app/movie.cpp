#include "visualizer/raster/movie.h"

#include <algorithm>
#include <cstdio>

#include "reference/cli/args/command.h"
#include "reference/cli/args/rule.h"
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

// Time advances by 1 / fps from frame to frame and not by a clock, so that the movie is reproducible.
class MovieRecorder {
 public:
  MovieRecorder(const MovieCommand& command, Session& session)
      : command_(command),
        session_(session),
        screen_(command.options.width(), command.options.height(), session.settings.display_scale()),
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

  // The time to read the text of the beat
  double reading_seconds() const {
    if (command_.pause) return *command_.pause;
    const Beat& beat = *session_.current_beat();
    const std::string& text = session_.closing()    ? session_.scene()->takeaway
                              : session_.answered() ? beat.answer
                                                    : beat.text + beat.question;
    return 1 + 0.055 * static_cast<double>(text.size());
  }

  void film_beats() {
    const int last = command_.last.value_or(session_.beats());
    session_.go_to_beat(command_.first.value_or(1) - 1);
    for (;;) {
      film_pause(reading_seconds());
      // The takeaway follows the last beat of the scene
      const bool whole = session_.current_beat()->question.empty() || session_.answered();
      const bool over =
          session_.beat() + 1 >= last && whole && (last < session_.beats() || session_.free_config());
      if (over || session_.closing()) return;
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

// Throws BadInput if the options do not fit a scene with _beats_ beats; 0: a trace
void check(const MovieCommand& o, int beats) {
  require(!o.pause || (*o.pause >= 0 && *o.pause <= 60), "[--pause] must be 0 to 60 seconds; found ",
          o.pause.value_or(0));
  require(o.speed >= 0.05 && o.speed <= 8, "[--speed] must be between 0.05 and 8; found ", o.speed);
  require(beats > 0 || (!o.first && !o.last),
          "[movie] only a scene with texts has beats; found --first or --last; leave them out");
  require(!o.first || (*o.first >= 1 && *o.first <= beats), "[--first] must be a beat from 1 to ", beats,
          "; found ", o.first.value_or(0));
  const int first = o.first.value_or(1);
  require(!o.last || (*o.last >= first && *o.last <= beats), "[--last] must be a beat from ", first, " to ",
          beats, "; found ", o.last.value_or(0));
}

// Shows the first run of a scene without beats, like a trace
void drop_captions(Session& session) {
  if (!session.scene()) return;
  const Selection selection = session.selection;
  session.open_recording(record_run(session.scene()->runs.front().config).recording, session.title());
  session.selection = selection;
}

}  // namespace

void add_movie(Program& program) {
  Command* command = program.add_command(
      "movie", "Make a movie of a scene or a trace: MP4, GIF or WebM with ffmpeg, or numbered PNG files");
  const auto o = std::make_shared<MovieCommand>();
  o->options.add_trace_and_scene(*command);
  o->options.add_state(*command);
  o->options.add_style_options(*command);
  command->add_option("--out", o->out, "output file: .mp4, .gif, .webm, or .png for numbered pictures")
      ->type_name("FILE")
      ->required();
  command->add_option("--fps", o->fps, "pictures per second")
      ->type_name("N")
      ->check(cli::whole_number(1, 60))
      ->capture_default_str();
  command->add_option("--first", o->first, "first beat, from 1")->type_name("N");
  command->add_option("--last", o->last, "last beat; default: the last one")->type_name("N");
  command
      ->add_option("--pause", o->pause, "pause at each beat in seconds; default: the time to read its text")
      ->type_name("S");
  command->add_flag("--without-texts", o->without_texts, "the first run of a scene without beats and texts");
  command->add_option("--speed", o->speed, "speed of the animation, 0.05 to 8")
      ->type_name("X")
      ->capture_default_str();
  command->add_option("--gif-width", o->gif_width, "maximum width of a GIF")
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

// `ringviz movie`: draws a scene or a trace as a movie.

#include "visualizer/raster/movie.h"

#include <algorithm>
#include <cstdio>

#include "reference/cli/args/command.h"
#include "reference/cli/args/rule.h"
#include "reference/definition/input/bad_input.h"
#include "visualizer/app/commands.h"
#include "visualizer/app/render_screen.h"
#include "visualizer/app/session_options.h"
#include "visualizer/app/subtitles.h"
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

constexpr double title_seconds = 2, longest_pause = 4;

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
    // Players find subtitles beside the movie
    const std::filesystem::path out = command_.out;
    const bool plays = out.extension() == ".mp4" || out.extension() == ".webm";
    if (!plays || subtitles_.empty()) return;
    subtitles_.write(std::filesystem::path(out).replace_extension(".srt"));
  }

 private:
  double seconds() const { return 1.0 / command_.fps; }
  void film_frame() { writer_.add(render_screen(screen_, session_)); }

  // A picture of the text, with the part of the time to read it that is over
  void film_text_frame(double reading) {
    session_.read = reading > 0 ? std::min(1.0, text_seconds_ / reading) : 1;
    text_seconds_ += seconds();
    film_frame();
  }

  void film_pause(double length) {
    const Image still = render_screen(screen_, session_);
    for (int frame = 0; frame < std::max(1, static_cast<int>(length * command_.fps)); ++frame)
      writer_.add(still);
  }

  // The title of a scene in the middle of the screen
  void film_title() {
    const Image title = screen_.picture(theme(session_.settings.theme), [&](Canvas& canvas) {
      canvas.text({0, 0, screen_.size().w, screen_.size().h}, session_.title(), Face::title,
                  canvas.theme().ink, Align::centre);
    });
    for (int frame = 0; frame < title_seconds * command_.fps; ++frame) writer_.add(title);
  }

  // The text of the caption
  std::string caption() const {
    const Beat& beat = *session_.current_beat();
    if (session_.closing()) return session_.scene()->takeaway;
    return session_.answered() ? beat.answer : beat.text + (beat.question.empty() ? "" : " " + beat.question);
  }
  double reading_seconds() const {
    return command_.pause.value_or(1 + 0.055 * static_cast<double>(caption().size()));
  }

  // A text stands still for a few seconds. The rest of the time to read it, the run moves on slowly. A bar grows in the
  // caption until the text is read
  void film_beats() {
    const int last = command_.last.value_or(session_.beats());
    session_.go_to_beat(command_.first.value_or(1) - 1);
    if (session_.beat() == 0) film_title();
    for (;;) {
      const bool moves = session_.moves_on() && !command_.pause;
      const double reading = reading_seconds(), still = moves ? std::min(reading, longest_pause) : reading;
      subtitles_.begin(seconds() * writer_.pictures(), caption());
      text_seconds_ = 0;
      do film_text_frame(reading);
      while (text_seconds_ + seconds() / 2 < still);
      // The takeaway follows the last beat of the scene
      const bool whole = session_.current_beat()->question.empty() || session_.answered();
      const bool over =
          session_.beat() + 1 >= last && whole && (last < session_.beats() || session_.free_config());
      if (over || session_.closing()) break;
      session_.proceed((reading - still) * command_.speed);
      while (session_.playing()) {
        session_.advance(seconds());
        if (session_.playing()) film_text_frame(reading);
      }
    }
    subtitles_.end(seconds() * writer_.pictures());
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
  Subtitles subtitles_;
  double text_seconds_ = 0;  // since the text appeared
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
  Command* command = program.add_command("movie",
                                         "Make a movie of a scene or a trace: MP4, GIF or WebM with ffmpeg, "
                                         "or numbered PNG files. MP4 and WebM get "
                                         "the texts of the scene as subtitles in a file .srt");
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
      ->add_option(
          "--pause", o->pause,
          "pause at each text in seconds; default: up to 4, then the run moves on slowly while it is read")
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
    session.settings.presenting = true;  // no buttons
    check(*o, session.beats());
    MovieRecorder(*o, session).film_all();
    return 0;
  });
}

}  // namespace ringattn::viz

#include "compare_report.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>

#include "phase.h"
#include "report.h"

namespace hostsim {
namespace {

using Json = nlohmann::ordered_json;

// Null, too, for the beginning of a report whose run was killed meanwhile.
Json Parse(const std::string& report) {
  Json json = Json::parse(report, nullptr, false);
  return json.is_discarded() ? Json() : json;
}

// A table of three columns: with pools, inline, and what the first is to the
// second.  A run without a report has a dash in its column.
class Table {
 public:
  Table(const Json& with_pools, const Json& run_inline)
      : runs_{with_pools, run_inline} {}

  using Figure = std::function<double(const Json& report)>;
  using Format = std::string (*)(double value);

  void Text(const std::string& line) { out_ += line; }
  void Heading(const char* text) { Line(text, "with pools", "inline", ""); }
  // `what` is what the ratio is of: "as many".
  void Rate(const char* name, const Figure& figure, const char* what) {
    Row(name, figure, InNumbers, [&](double pools, double run_inline) {
      return Ratio(pools, run_inline, what);
    });
  }
  // Below a millisecond a difference is mostly chance, and matters to nobody.
  void Duration(const char* name, const Figure& figure) {
    Row(name, figure, InTime, [](double pools, double run_inline) {
      return std::max(pools, run_inline) < 1e6
                 ? std::string("both under 1 ms")
                 : Ratio(pools, run_inline, "as long");
    });
  }
  void Count(const char* name, const Figure& figure) {
    Row(name, figure, InNumbers, [](double pools, double run_inline) {
      return std::string(pools == run_inline ? "" : "differs");
    });
  }
  // Whether the figure is not zero in one of the runs.
  bool Any(const Figure& figure) const {
    return std::any_of(runs_.begin(), runs_.end(), [&](const Json& run) {
      return !run.is_null() && figure(run) != 0;
    });
  }
  const std::string& out() const { return out_; }

 private:
  static std::string InNumbers(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.0f", value);
    return text;
  }
  static std::string InTime(double ns) {
    return DurationText(static_cast<std::uint64_t>(ns));
  }

  static std::string Ratio(double pools, double run_inline, const char* what) {
    if (pools <= 0 || run_inline <= 0) return "";
    const double ratio = std::max(pools / run_inline, run_inline / pools);
    if (ratio < 1.05) return "about the same";
    char text[64];
    std::snprintf(text, sizeof text,
                  pools > run_inline ? "%.*f x %s" : "1/%.*f %s",
                  ratio < 10 ? 1 : 0, ratio, what);
    return text;
  }

  void Row(const char* name, const Figure& figure, Format format,
           const std::function<std::string(double, double)>& last) {
    std::array<std::string, 2> cell;
    for (std::size_t i = 0; i < 2; ++i)
      cell[i] = runs_[i].is_null() ? "-" : format(figure(runs_[i]));
    const bool both = !runs_[0].is_null() && !runs_[1].is_null();
    Line((std::string("    ") + name).c_str(), cell[0].c_str(), cell[1].c_str(),
         both ? last(figure(runs_[0]), figure(runs_[1])) : "");
  }

  void Line(const char* name, const char* pools, const char* run_inline,
            const std::string& last) {
    char line[160];
    std::snprintf(line, sizeof line, "%-28s %14s %14s", name, pools,
                  run_inline);
    out_ += line;
    if (!last.empty()) out_ += "   " + last;
    out_ += '\n';
  }

  const std::array<Json, 2> runs_;
  std::string out_;
};

// Of the loop that did worst.
double WorstLoop(const Json& run,
                 const std::function<double(const Json&)>& of) {
  double worst = 0;
  for (const Json& loop : run["loops"]) worst = std::max(worst, of(loop));
  return worst;
}

void AddLoops(Table& table) {
  table.Duration("longest hold-up", [](const Json& run) {
    return WorstLoop(run, [](const Json& loop) {
      return loop["longest_holdup_ns"].get<double>();
    });
  });
  table.Duration("timers late by, p99", [](const Json& run) {
    return WorstLoop(run, [](const Json& loop) {
      return loop["timer_lateness"]["p99_ns"].get<double>();
    });
  });
}

void AddPhases(Table& table) {
  for (std::size_t i = 0; i < kPhaseCount; ++i) {
    const char* name = PhaseName(static_cast<Phase>(i));
    const auto of = [name](const char* key) {
      return [name, key](const Json& run) {
        return run["phases"][name][key].get<double>();
      };
    };
    if (table.Any(of("count"))) table.Duration(name, of("p99_ns"));
  }
  const auto session = [](const char* key) {
    return [key](const Json& run) {
      return run["session_time"][key].get<double>();
    };
  };
  table.Duration("whole session", session("p99_ns"));
  table.Duration("whole session, median", session("p50_ns"));
}

void AddSessions(Table& table) {
  const auto of = [](const char* key) {
    return
        [key](const Json& run) { return run["sessions"][key].get<double>(); };
  };
  for (std::size_t i = 0; i < kOutcomeCount; ++i) {
    const char* name = OutcomeName(static_cast<Outcome>(i));
    if (table.Any(of(name))) table.Count(name, of(name));
  }
  if (table.Any(of("errors")))
    table.Count("(by an error of a policy)", of("errors"));
  const auto lost = [of](const Json& run) {
    return of("started")(run) - of("ended")(run);
  };
  if (table.Any(lost)) table.Count("UNACCOUNTED", lost);
  const auto left = [](const Json& run) {
    return run["drained"].get<bool>() ? 0.0 : 1.0;
  };
  if (table.Any(left)) table.Count("NOT DRAINED", left);
}

// What both have in common.
std::string Circumstances(const Json& run) {
  if (run.is_null()) return "";
  char text[160];
  std::snprintf(text, sizeof text,
                "Messages: %.0f; sessions in flight: up to %.0f; Lua states: "
                "%.0f; event loops: %zu\n\n",
                run["messages"].get<double>(), run["concurrency"].get<double>(),
                run["states"].get<double>(), run["loops"].size());
  return text;
}

}  // namespace

std::string CompareText(const ComparedRuns& runs) {
  const Json with_pools = Parse(runs.with_pools);
  const Json run_inline = Parse(runs.run_inline);
  Table table(with_pools, run_inline);
  table.Text(Circumstances(with_pools.is_null() ? run_inline : with_pools));
  table.Heading("Sessions");
  table.Rate(
      "per second",
      [](const Json& run) { return run["sessions_per_second"].get<double>(); },
      "as many");
  AddSessions(table);
  table.Text("\n");
  table.Heading("Event loop");
  AddLoops(table);
  table.Text("\n");
  table.Heading("Phase, p99");
  AddPhases(table);
  table.Text(
      "\ninline    closures ran on the event loop, not in thread pools\n"
      "hold-up   a loop was busy with one thing, its other sessions waited\n"
      "p99       99 of 100 took no longer\n");
  return table.out();
}

std::string CompareJson(const ComparedRuns& runs) {
  const Json out = {{"pools", Parse(runs.with_pools)},
                    {"inline", Parse(runs.run_inline)}};
  return out.dump(2) + "\n";
}

}  // namespace hostsim

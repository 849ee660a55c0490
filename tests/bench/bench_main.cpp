// Runs the benchmarks, then prints the ratios that are held to something, all
// from this run.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace {

// Google Benchmark later than Debian 12's has another name for it.
template <typename Run>
bool Failed(const Run& run) {
  if constexpr (requires { run.error_occurred; }) return run.error_occurred;
  else return static_cast<bool>(run.skipped);
}

// Every figure of the run by "benchmark counter"; of repetitions the median.
class Figures final : public benchmark::ConsoleReporter {
 public:
  Figures() : ConsoleReporter(OO_Tabular) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      if (Failed(run)) failed_ = true;
      const bool aggregate = run.run_type == Run::RT_Aggregate;
      if (aggregate ? run.aggregate_name != "median" : run.repetitions > 1)
        continue;
      std::string name = run.run_name.function_name;
      if (!run.run_name.args.empty()) name += '/' + run.run_name.args;
      for (const auto& [counter, value] : run.counters) {
        figures_[name + ' ' + counter] = value;
      }
    }
  }

  bool failed() const { return failed_; }

  // Of two figures the one that is larger, or is there.
  const std::string& Larger(const std::string& a, const std::string& b) const {
    const auto of_a = figures_.find(a);
    const auto of_b = figures_.find(b);
    if (of_a == figures_.end()) return b;
    return of_b == figures_.end() || of_a->second >= of_b->second ? a : b;
  }

  // A line of the table, if the run has both figures.
  void Ratio(const char* what, const std::string& of, const std::string& to,
             const char* wanted) const {
    const auto a = figures_.find(of);
    const auto b = figures_.find(to);
    if (a == figures_.end() || b == figures_.end()) return;
    Line(what, a->second / b->second, wanted);
  }
  void Value(const char* what, const std::string& of,
             const char* wanted) const {
    const auto a = figures_.find(of);
    if (a != figures_.end()) Line(what, a->second, wanted);
  }

 private:
  static void Line(const char* what, double value, const char* wanted) {
    std::printf("%-58s %9.3f  %s\n", what, value, wanted);
  }

  std::map<std::string, double> figures_;
  bool failed_ = false;
};

std::string Calls(const char* form, const char* shape) {
  return std::string("Calls/") + form + '/' + shape + " items_per_second";
}

void PrintRatios(const Figures& f) {
  const std::string floor64 = "Floor/scripts:64 items_per_second";
  const std::string floor1024 = "Floor/scripts:1024 items_per_second";
  const char* const one = "scripts:64/states:1/threads:1";
  const char* const all = "scripts:1024/states:16/threads:1";
  std::printf("\n%-58s %9s\n", "ratio, from this run", "");
  f.Ratio("sync, 64 scripts in 1 state / floor (c)", Calls("sync", one),
          floor64, "");
  f.Ratio("sync, 1024 scripts in 16 states / floor (c)", Calls("sync", all),
          floor1024, "wanted: at least 0.6");
  f.Ratio("completion / sync, 64 in 1", Calls("completion", one), Calls("sync", one),
          "wanted: at least 1");
  // One thread has all of a chain of completion functions on one CPU, while scripts that
  // wait are on the loop's as well.
  const auto best = [&](const char* form) {
    return f.Larger(Calls(form, all), Calls(form, "scripts:1024/states:16/threads:2"));
  };
  f.Ratio("completion / sync, 1024 in 16, each with 1 or 2 threads", best("completion"),
          best("sync"), "wanted: at least 1");
  f.Ratio("completion / sync, 1024 in 16, one thread", Calls("completion", all),
          Calls("sync", all), "");
  f.Ratio("completion on loop / sync, 64 in 1", Calls("completion_sched", one),
          Calls("sync", one), "");
  f.Ratio("completion on loop / sync, 1024 in 16, one thread",
          Calls("completion_sched", all), Calls("sync", all), "");
  f.Ratio("one call at a time / direct pcall (floor (b))",
          "OneState/direct_pcall items_per_second",
          "OneState/one_at_a_time items_per_second", "");
  f.Value("reach nothing / empty closure (noise of the method)",
          "Reach/empty ratio", "");
  f.Value("reach a 1 MiB string / empty closure", "Reach/string_1MiB ratio",
          "wanted: at most 1.05");
  f.Value("reach a table of 10,000 / empty closure", "Reach/table_10000 ratio",
          "wanted: at most 1.05");
  f.Value("reach a 10 MiB message / empty closure", "Reach/message_10MiB ratio",
          "wanted: at most 1.05");
  f.Value("two CPU-bound closures at once, speed-up, median",
          "TwoStates speedup", "wanted: at least 1.95");
  f.Value("two CPU-bound closures at once, speed-up, best", "TwoStates best",
          "");
  f.Value("  two plain threads then, speed-up, median", "TwoStates threads",
          "");
  f.Value("Lua in a closure / plain Lua, speed", "LuaSpeed speed",
          "wanted: at least 0.98");
  f.Ratio("CPU time a call, 1,000,000 queued / 100 queued",
          "Queued/queued:1000000 cpu_ns_per_call",
          "Queued/queued:100 cpu_ns_per_call", "wanted: at most 1.2");
  f.Ratio("time a call, 1,000,000 queued / 100 queued",
          "Queued/queued:100 items_per_second",
          "Queued/queued:1000000 items_per_second", "wanted: at most 1.2");
  f.Value("bytes a queued call, 1,000,000 queued",
          "Queued/queued:1000000 bytes_per_call", "wanted: at most 256");
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  Figures figures;
  const std::size_t run = benchmark::RunSpecifiedBenchmarks(&figures);
  PrintRatios(figures);
  return run == 0 || figures.failed() ? 1 : 0;
}

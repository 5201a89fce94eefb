# SPDX-License-Identifier: MIT
"""The tables that bench/run prints, from the results that it also writes as JSON."""
import math

TOOLS = ("heaptape", "heaptrack")


def ratio(result, key, startup=None):
    """heaptape's added cost as a part of heaptrack's, both less what they add to the program of the
    result `startup`; None when there is none to compare."""
    if any(name not in result["tools"] for name in TOOLS):
        return None
    mine, theirs = (result["tools"][name]["added_" + key]["median"] -
                    (startup["tools"][name]["added_" + key]["median"] if startup else 0)
                    for name in TOOLS)
    return mine / theirs if mine > 0 and theirs > 0 else None


def ratio_text(result, key):
    value = ratio(result, key)
    return "" if value is None else f"{value:.3f}"


def per_call(result, tool, key):
    """Added nanoseconds a call: the median and, in brackets, the middle half of the rounds."""
    row = result["tools"].get(tool)
    if row is None:
        return ""
    calls = max(result["allocations"], 1)
    middle, low, high = (row["added_" + key][part] / calls for part in ("median", "q1", "q3"))
    return f"{middle:.0f} ({low:.0f}..{high:.0f})"


def added_rss(result, tool):
    row = result["tools"].get(tool)
    return "" if row is None else f"{row['added_rss']['median'] / 1024:.1f}"


def print_costs(results):
    print("Added by the tool for each allocation call, ns: the median of the rounds and their middle "
          "half; times as a part of heaptrack's;\nadded peak RSS of the program, MiB\n")
    print(f"{'':<22} {'bare':>7} {'null':>5}  {'heaptape':^31} {'heaptrack':^33}  {'ratio':^12}  "
          f"{'heap-':>6} {'heap-':>6}")
    print(f"{'program':<22} {'ms':>7} {'wall':>5}  {'wall':<15} {'CPU':<15} {'wall':<17} {'CPU':<17} "
          f"{'wall':>6} {'CPU':>5}  {'tape':>6} {'track':>6}")
    for r in results:
        null = r["tools"]["null"]["added_wall"]["median"] / max(r["allocations"], 1)
        print(f"{r['program']:<22} {r['tools']['bare']['wall']['median'] / 1e6:>7.1f} {null:>5.0f}  "
              f"{per_call(r, 'heaptape', 'wall'):<15} {per_call(r, 'heaptape', 'cpu'):<15} "
              f"{per_call(r, 'heaptrack', 'wall'):<17} {per_call(r, 'heaptrack', 'cpu'):<17} "
              f"{ratio_text(r, 'wall'):>6} {ratio_text(r, 'cpu'):>5}  "
              f"{added_rss(r, 'heaptape'):>6} {added_rss(r, 'heaptrack'):>6}")
    for r in results:
        if "massif" in r["tools"]:
            print(f"\nmassif, {r['program']}: wall {per_call(r, 'massif', 'wall')}, "
                  f"CPU {per_call(r, 'massif', 'cpu')}, RSS {added_rss(r, 'massif')}")


def print_tapes(results):
    print("\nThe recordings; a replay of all events by `heaptape info`, the median of five and their "
          "range, `heaptape report`,\nand heaptrack_print on heaptrack's recording of the same program: "
          "the median of three, M events/s and MiB\n")
    print(f"{'':<22} {'':>11} {'':>11} {'tape':>7} {'B/':>5}  {'info':<24} {'report':>11}  "
          f"{'heaptrack_print':>15}")
    print(f"{'program':<22} {'allocations':>11} {'events':>11} {'KiB':>7} {'event':>5}  "
          f"{'events/s':<18} {'RSS':>5} {'ev./s':>5} {'RSS':>5}  {'events/s':>9} {'RSS':>5}")
    for r in results:
        seconds, events = r["replay_seconds"], r["events"] / 1e6
        speed = (f"{events / seconds[len(seconds) // 2]:.1f} "
                 f"({events / seconds[-1]:.1f}..{events / seconds[0]:.1f})")
        report = events / r["report_seconds"][len(r["report_seconds"]) // 2]
        peer = ""
        if "peer_seconds" in r:
            peer = (f"{events / r['peer_seconds'][len(r['peer_seconds']) // 2]:>9.1f} "
                    f"{r['peer_rss'] / 1024:>5.1f}")
        print(f"{r['program']:<22} {r['allocations']:>11,} {r['events']:>11,} "
              f"{r['tape_bytes'] / 1024:>7.1f} {r['tape_bytes'] / max(r['events'], 1):>5.2f}  "
              f"{speed:<18} {r['replay_rss'] / 1024:>5.1f} {report:>5.1f} "
              f"{r['report_rss'] / 1024:>5.1f}  {peer}".rstrip())


def print_ratios(results, startup):
    """Geometric means. Patterns are measured without start-up anyway."""
    print()
    real = [r for r in results if not r["micro"]]
    patterns = [r for r in results if r["micro"]]
    kinds = [("real programs", real, None), ("patterns", patterns, None)]
    if startup and "heaptrack" in startup["tools"]:
        kinds.insert(1, ("of these less start-up", real, startup))
    for what, chosen, less in kinds:
        for key, name in (("wall", "wall"), ("cpu", "CPU")):
            known = [x for x in (ratio(r, key, less) for r in chosen) if x]
            if known:
                mean = math.exp(sum(math.log(x) for x in known) / len(known))
                print(f"added {name:<4} beside heaptrack's, {len(known):>2} {what:<22} geometric mean "
                      f"{mean:.3f} (1/{1 / mean:.1f}), greatest {max(known):.3f}")


def print_reading(results):
    """How many times as fast as heaptrack_print: the whole report, and the replay alone."""
    for what, key in (("info", "replay_seconds"), ("report", "report_seconds")):
        times = [r["peer_seconds"][len(r["peer_seconds"]) // 2] / r[key][len(r[key]) // 2]
                 for r in results if not r["micro"] and "peer_seconds" in r]
        if times:
            mean = math.exp(sum(map(math.log, times)) / len(times))
            print(f"heaptape {what:<6} beside heaptrack_print, {len(times):>2} real programs     "
                  f"{mean:.1f} times as fast, at least {min(times):.1f}")


def print_startup(result):
    """A program that does nothing: what is added is start-up and exit."""
    print(f"\nstart-up and exit of {result['program']} (bare "
          f"{result['tools']['bare']['wall']['median'] / 1e6:.2f} ms, recording "
          f"{result['tape_bytes']} bytes), added:")
    for name, row in result["tools"].items():
        if name != "bare":
            wall = [row["added_wall"][part] / 1e6 for part in ("median", "q1", "q3")]
            print(f"  {name:<10} wall {wall[0]:>6.2f} ({wall[1]:.2f}..{wall[2]:.2f}) ms, "
                  f"CPU {row['added_cpu']['median'] / 1e6:>7.2f} ms")


def print_all(results):
    """The tables, in the order in which they are read."""
    startup = next((r for r in results if r["program"] == "true"), None)
    others = [r for r in results if r is not startup]
    if others:
        print_costs(others)
        print_tapes(others)
        print_ratios(others, startup)
        print_reading(others)
    if startup:
        print_startup(startup)

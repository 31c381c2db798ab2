using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using MsResampler.Cli;
using MsResampler.Cli.Display;
using Spectre.Console;

namespace MsResampler.Tests.Cli;

/// <summary>The output of the command for people: messages, warnings, colours, tables and progress.</summary>
internal sealed class MannersTests : CliFixture
{
    private const int StatusWidth = 60;

    private static readonly TestCaseData<string, string>[] s_typos =
    [
        new("vrify", "there is no command or option 'vrify'; did you mean 'verify'?"),
        new("--versoin", "'--versoin'; did you mean '--version'?"),
        new("run --model m --out o.npy --image a.jpg --patches 14",
            "run does not know '--patches'; did you mean '--patch'?"),
        new("run --model m --ot o.npy --image a.jpg", "run does not know '--ot'; did you mean '--out'?"),
        new("run --model m --out o.npy --feature a.npy", "'--feature'; did you mean '--features'?"),
        new("run --model --out-put o.npy --image a.jpg", "'--out-put'"),
        new("inspect m --gird 4x4", "'--gird'; did you mean '--grid'?"),
        new("inspect --model m --gird 4x4", "'--gird'; did you mean '--grid'?"),
        new("verify --mdoel m", "'--mdoel'; did you mean '--model'?"),
        new("bench --model m --grid 2x2 --btach 3", "'--btach'; did you mean '--batch'?"),
    ];

    [TestCaseSource(nameof(s_typos))]
    public void A_mistyped_word_is_reported_with_a_suggestion(string arguments, string expected)
        => CliRun.Of(arguments.Split(' ')).FailsNaming(expected, "--help");

    [Test]
    public void An_unknown_word_without_similar_ones_has_no_suggestion()
        => Assert.That(CliRun.Of("run", "--xyzzy").Error, Does.Contain("'--xyzzy'").And.Not.Contain("did you mean"));

    [Test]
    public void A_file_may_have_the_name_of_an_option()
    {
        CliRun run = CliRun.OfProcess([], "run", "--model", Model, "--image", "./--patches", "--out", In("o.npy"));
        run.FailsNaming("--patches: there is no such file");
    }

    [Test]
    public void Inspect_accepts_the_model_with_and_without_its_option()
    {
        string named = CliRun.Of("inspect", "--model", Model, "--grid", "2x3").Succeeds().Output;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(named, Is.EqualTo(CliRun.Of("inspect", Model, "--grid", "2x3").Succeeds().Output));
            CliRun.Of("inspect", Model, "--model", Model).FailsNaming("one PATH");
            CliRun.Of("verify", Model).FailsNaming($"did you mean '--model {Model}'?");
        }
    }

    [Test]
    public void A_long_list_of_problems_is_cut_after_five_unless_verbose()
    {
        string config = Config;
        foreach (string field in (string[])["vision_hidden_size", "hidden_size", "num_attention_heads", "query_grid",
            "output_size", "share_queries", "share_kv"])
            config = Regex.Replace(config, $"\"{field}\": (\\[[^]]*\\]|[^,\\n]*),?", $"\"{field}\": \"?\",",
                RegexOptions.None);
        File.WriteAllText(In("problems.json"), config);
        CliRun few = CliRun.Of("init", "--config", In("problems.json"), "--out", In("none"));
        CliRun all = CliRun.Of("init", "--config", In("problems.json"), "--out", In("none"), "--verbose");
        int count = Regex.Count(all.Error.Split('\n')[0], @"\(\d+\) ");
        few.FailsNaming($"{count} problems: (1)", "(5)", $"and {count - 5} more (--verbose shows all)");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(count, Is.GreaterThanOrEqualTo(7));
            Assert.That(few.Error, Does.Not.Contain("(6)"));
        }
    }

    [Test]
    public void Many_warnings_are_cut_after_five_unless_verbose()
    {
        string extra = string.Concat(Enumerable.Range(0, 8).Select(index => $"\"unknown_{index}\": 1, "));
        File.WriteAllText(In("warnings.json"), Config.Replace(
            "\"share_kv\"", extra + "\"share_kv\"", StringComparison.Ordinal));
        string[] few = Warnings();
        string[] all = Warnings("--verbose");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(few, Has.Length.EqualTo(6));
            Assert.That(few[5], Is.EqualTo("warning: 3 more (--verbose shows all)"));
            Assert.That(all, Has.Length.EqualTo(8));
        }

        string[] Warnings(params string[] more)
        {
            CliRun run = CliRun.Of(["init", "--config", In("warnings.json"), "--out", In("warned"), "--force",
                .. more]);
            Assert.That(run.ExitCode, Is.Zero);
            return run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }
    }

    [TestCase(new[] { "2x3" }, "1 image of 2x3 patches -> ")]
    [TestCase(new[] { "2x3", "2x3" }, "2 images of 2x3 patches -> ")]
    [TestCase(new[] { "4x6", "3x8" }, "2 images, 4x6 and 3x8 patches -> ")]
    [TestCase(new[] { "3x8", "4x6", "3x8" }, "3 images, 3x8 and 4x6 patches -> ")]
    [TestCase(new[] { "1x5", "2x2", "3x3", "4x4", "5x5" }, "5 images, 5 grids from 2x2 to 5x5 patches -> ")]
    public void The_summary_names_the_grids(string[] grids, string expected)
    {
        string path = WriteFeatures("grids.safetensors", [.. grids.Select((grid, index) =>
        {
            long[] extents = [.. grid.Split('x').Select(text => long.Parse(text, CultureInfo.InvariantCulture))];
            return ($"features.{index}", new long[] { 1, extents[0], extents[1], ChannelCount },
                Values((int)(extents[0] * extents[1] * ChannelCount), index));
        })]);
        Assert.That(CliRun.Of("run", "--model", Model, "--features", path, "--out", In("grids.npy")).Succeeds().Output,
            Does.StartWith(expected));
    }

    [Test]
    public void The_time_is_that_of_the_call_without_loading()
    {
        Skip.If(OperatingSystem.IsWindows(), "Pipes have no paths on Windows.");
        byte[] features = File.ReadAllBytes(WriteNpy("timed.npy", [2, 2, ChannelCount], Values(4 * ChannelCount, 1)));
        string pipe = In("timed-pipe");
        using (Process make = Process.Start("mkfifo", pipe))
            make.WaitForExit();
        using Task write = Task.Run(() =>
        {
            Thread.Sleep(TimeSpan.FromSeconds(1.2));
            File.WriteAllBytes(pipe, features);
        });
        string output = CliRun.Of("run", "--model", Model, "--features", pipe, "--out", In("timed.out.npy"))
            .Succeeds().Output;
        write.GetAwaiter().GetResult();
        Assert.That(output, Does.Match(@"\([0-9.]+ (µs|ms); "));
    }

    [Test]
    public void Progress_is_shown_only_on_the_standard_error_of_a_terminal(
        [Values("verify --model {0}", "bench --model {0} --grid 2x2 --seconds 0.01", "inspect {0} --grid 2x2",
            "export-onnx --model {0} --out {0}.onnx", "init --config {0}/config.json --out {0}-again --force",
            "run --model {0} --features {0}.npy --out {0}.tokens.npy")] string arguments)
    {
        WriteNpy("model.npy", [2, 2, ChannelCount], Values(4 * ChannelCount, 1));
        using StringWriter output = new(), error = new(), status = new();
        int exitCode = CommandLine.Run(
            [.. arguments.Split(' ').Select(argument => argument.Replace("{0}", Model, StringComparison.Ordinal))],
            new Terminal(output, error, isInteractive: false, new StatusLine(status, StatusWidth)),
                CancellationToken.None);
        string[] shown = status.ToString().Split("\r\u001b[2K");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exitCode, Is.Zero);
            Assert.That(shown, Has.Length.GreaterThanOrEqualTo(2));
            Assert.That(shown, Has.All.Length.LessThan(StatusWidth), "a wrapped line cannot be overwritten");
            Assert.That(shown[^1], Is.Empty, "the status line is cleared at the end");
            Assert.That(error.ToString(), Is.Empty);
            Assert.That(output.ToString(), Does.Not.Contain('\u001b'));
        }
    }

    [TestCase(ColorSystemSupport.Standard, true)]
    [TestCase(ColorSystemSupport.NoColors, false)]
    public void Passed_is_green_and_failed_is_red_if_colours_are_supported(ColorSystemSupport colors, bool isColored)
    {
        const string Green = "\u001b[32m", Red = "\u001b[91m";
        string good = OnTerminal(colors, 100, "verify", "--model", Model);
        string bad = OnTerminal(colors, 100, "verify", "--model", Model, "--bound", "1e-12");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(good.Contains($"{Green}ok", StringComparison.Ordinal), Is.EqualTo(isColored));
            Assert.That(good.Contains($"{Green}all 6 within", StringComparison.Ordinal), Is.EqualTo(isColored));
            Assert.That(bad.Contains($"{Red}FAILED", StringComparison.Ordinal), Is.EqualTo(isColored));
            Assert.That(good, Does.Contain("all 6 within"));
        }
    }

    [Test]
    public void Tables_fit_the_terminal([Values(80, 100)] int width,
        [Values("inspect {0} --grid 24x24", "verify --model {0}", "bench --model {0} --grid 2x2 --seconds 0.01")]
        string arguments)
    {
        string output = OnTerminal(ColorSystemSupport.NoColors, width,
            [.. arguments.Split(' ').Select(argument => argument.Replace("{0}", Model, StringComparison.Ordinal))]);
        Assert.That(Tables(output), Has.All.Length.LessThanOrEqualTo(width).And.None.Contains("…"));
    }

    [Test]
    public void A_table_that_is_too_wide_uses_two_lines_per_row([Values(80, 100)] int width)
    {
        using StringWriter output = new() { NewLine = "\n" };
        Terminal terminal = new(output, output, Console(output, ColorSystemSupport.NoColors, width));
        terminal.Table(["kernel", ">registers", ">smem", "note"],
            [[new string('k', 70), "122", "49,152", "long"], ["short", "9", "0", "brief note"]]);
        Assert.That(output.ToString(), Is.EqualTo($"""
            kernel  note
              registers    smem
            {new string('k', 70)}  long
                    122  49,152
            short  brief note
                      9       0

            """.ReplaceLineEndings("\n")));
    }

    private static IEnumerable<string> Tables(string output)
        => output.Split('\n').Where(line => line.Length > 0 && line[0] is '│' or '╭' or '├' or '╰');

    private static string OnTerminal(ColorSystemSupport colors, int width, params string[] arguments)
    {
        using StringWriter output = new() { NewLine = "\n" };
        using StringWriter error = new();
        CommandLine.Run(arguments, new Terminal(output, error, Console(output, colors, width)), CancellationToken.None);
        Assert.That(error.ToString(), Is.Empty);
        return output.ToString();
    }

    private static IAnsiConsole Console(TextWriter output, ColorSystemSupport colors, int width)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = colors,
            Out = new AnsiConsoleOutput(output),
        });
        console.Profile.Width = width;
        return console;
    }
}

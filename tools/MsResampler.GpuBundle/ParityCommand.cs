using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using MsResampler.Kernels;
using MsResampler.Kernels.Tests.Parity;
using MsResampler.Perf.Gpu;
using MsResampler.Perf.Results;

namespace MsResampler.GpuBundle;

/// <summary>The command <c>parity</c>: compares models on the GPU with the reference in double precision.</summary>
internal sealed class ParityCommand
{
    private const int Done = 0;
    private const int Wrong = 1;
    private const int NoDevice = 2;

    /// <summary>The cases of the tests, whose errors are within the bounds on the emulator.</summary>
    private const int RandomCaseCount = 64;

    private readonly ResultLog? _log;
    private readonly GpuPrecision[] _precisions;
    private bool _isWrong;

    private ParityCommand(ResultLog? log, GpuPrecision[] precisions)
    {
        _log = log;
        _precisions = precisions;
    }

    public static Command Create()
    {
        Option<string> cases = new Option<string>("--case")
        {
            Description = "Compare only a small model, or only one of a published width.",
            DefaultValueFactory = _ => "all",
        }.AcceptOnlyFromAmong("small", "wide", "all");
        Option<bool> isTiny = new("--tiny") { Description = "Leave out the model of a published width." };
        Option<string[]> precisions = new Option<string[]>("--precision")
        {
            Description = "Use only these precisions.",
            AllowMultipleArgumentsPerToken = true,
        }.AcceptOnlyFromAmong([.. GpuPrecision.All.Select(precision => precision.Name)]);
        Option<int> seconds = new("--seconds")
        {
            Description = "After the given cases, compare random ones in random order until this time is up.",
            DefaultValueFactory = _ => 0,
        };
        Option<int> seed = new("--seed")
        {
            Description = "The seed of the order of random cases (default: a random one, which is printed).",
            DefaultValueFactory = _ => Random.Shared.Next(1_000_000),
        };
        Command command = new("parity", "Compare models on the GPU with the reference in double precision, alone " +
            "and in batches. Exits with 1 if tokens are wrong, with 2 if there is no usable GPU.")
        {
            cases, isTiny, precisions, seconds, seed,
        };
        ResultOptions results = ResultOptions.AddTo(command, "parity");
        command.SetAction(parsed =>
        {
            string[] names = parsed.GetValue(precisions) ?? [];
            ParityCommand parity = new(results.Open(parsed),
                [.. GpuPrecision.All.Where(precision => names is [] || names.Contains(precision.Name))]);
            string chosen = parsed.GetValue(isTiny) ? "small" : parsed.GetRequiredValue(cases);
            return parity.Run(chosen, TimeSpan.FromSeconds(parsed.GetValue(seconds)), parsed.GetValue(seed));
        });
        return command;
    }

    private int Run(string cases, TimeSpan duration, int seed)
    {
        long start = Stopwatch.GetTimestamp();
        if (!CudaBackend.IsAvailable(out string? reason))
        {
            Console.Error.WriteLine($"parity: {reason}");
            return NoDevice;
        }

        if (cases != "wide")
            Compare("small model", ParityCase.Small);
        if (cases != "small")
            Compare("published width", ParityCase.PublishedWidth);
        Console.WriteLine($"the order of random cases has the seed {seed}");
        int[] order = [.. Enumerable.Range(0, RandomCaseCount)];
        new Random(seed).Shuffle(order);
        foreach (int index in order.TakeWhile(_ => Stopwatch.GetElapsedTime(start) < duration))
        {
            Compare(string.Create(CultureInfo.InvariantCulture, $"random case {index}"),
                ParityCase.OfRandom(index));
        }

        return _isWrong ? Wrong : Done;
    }

    private void Compare(string name, ParityCase parityCase)
    {
        foreach (GpuPrecision precision in _precisions)
        {
            string row = $"{precision.Name} {name}";
            if (_log?.Contains(row) != true)
                Compare(row, parityCase, precision.Precision);
        }
    }

    private void Compare(string row, ParityCase parityCase, Precision precision)
    {
        Outcome outcome = Outcome.Failed;
        string text;
        try
        {
            ParityResult result = parityCase.Run(precision);
            outcome = result.IsPassed ? Outcome.Passed : Outcome.Failed;
            text = result.ToString();
        }
        // The device or the kernels do not support the model in this precision.
        catch (NotSupportedException exception)
        {
            outcome = Outcome.Skipped;
            text = exception.Message;
        }
        // Any other failure is the result of this case; the others still run.
        catch (Exception exception)
        {
            text = $"{exception.GetType().Name}: {exception.Message}; {parityCase.Description}";
        }

        _isWrong |= outcome == Outcome.Failed;
        if (_log is null)
            Console.WriteLine($"{row}: {outcome}: {text}");
        else
            _log.Add(row, outcome, text);
    }
}

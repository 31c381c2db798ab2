using System.Diagnostics;
using MsResampler.Claim.Arms;
using MsResampler.Scenes;
using MsResampler.Training;

namespace MsResampler.Claim.Runs;

/// <summary>The experiment in a folder: chooses learning rates, freezes the protocol, and runs every arm with every
/// seed. It continues where an earlier process ended.</summary>
internal sealed class Experiment(RunPlan plan, IReadOnlyList<Arm> arms, string folder,
    Func<GarmentSplit, GarmentSet> load, TextWriter log)
{
    private const int GateScenes = 200;

    // How often to look whether another process has finished a run.
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(2);

    private readonly Lazy<GarmentSet> _training = new(() => load(GarmentSplit.Training));
    private readonly Lazy<GarmentSet> _validation = new(() => load(GarmentSplit.Validation));
    private readonly Lazy<GarmentSet> _test = new(() => load(GarmentSplit.Test));

    public RunPlan Plan => plan;

    public IReadOnlyList<Arm> Arms => arms;

    public RunStore Tuning { get; } = new(Path.Combine(folder, "tuning"));

    public RunStore Runs { get; } = new(Path.Combine(folder, "runs"));

    public string ProtocolPath => Path.Combine(folder, "protocol.md");

    /// <summary>Where the trained models of <see cref="ArmList.Scopes"/> are, one folder per seed.</summary>
    public string ModelFolder(ulong seed) => Path.Combine(folder, "models", $"{seed}");

    /// <summary>Where the best of them is: the one with the highest accuracy on the validation split.</summary>
    public string BestModelFolder => Path.Combine(folder, "model");

    public static string TuningName(Arm arm, double rate) => $"{arm.Name}-{rate:0.####}";

    public static string RunName(Arm arm, ulong seed) => $"{arm.Name}-{seed}";

    /// <summary>The learning rate with the highest accuracy on the validation split; null before all were
    /// tried.</summary>
    public double? ChosenRate(Arm arm)
    {
        RunResult?[] results = [.. plan.Rates.Select(rate => Tuning.Find(TuningName(arm, rate)))];
        return results.All(result => result is not null) ? results.MaxBy(result => result!.Validation)!.Rate : null;
    }

    /// <summary>Starts the runs that are missing, until none is or the time is over.</summary>
    /// <param name="only">The arms to run; empty for all.</param>
    /// <param name="workers">Runs at a time.</param>
    /// <param name="deadline">No run starts after it.</param>
    /// <param name="cancellationToken">Stops the runs; those in progress are lost.</param>
    public void Run(IReadOnlyList<string> only, int workers, DateTime deadline, CancellationToken cancellationToken)
    {
        Arm[] chosen = [.. arms.Where(arm => only.Count == 0 || only.Contains(arm.Name))];
        WorkToEnd([.. chosen.SelectMany(arm => plan.Rates.Select(rate
            => (Func<bool>)(() => Tune(arm, rate, cancellationToken))))], workers, deadline, cancellationToken);
        if (arms.Any(arm => ChosenRate(arm) is null))
        {
            log.WriteLine("The learning rates of some arms are not chosen yet; final runs start after that.");
            return;
        }

        Protocol.Freeze(this);
        // Seed by seed, so that the arms can be compared at any time.
        WorkToEnd([.. plan.Seeds.SelectMany(seed => chosen.Select(arm
            => (Func<bool>)(() => RunFinal(arm, seed, cancellationToken))))], workers, deadline, cancellationToken);
    }

    /// <summary>Copies the best of the trained models to <see cref="BestModelFolder"/>.</summary>
    /// <returns>Its seed; null if there is none.</returns>
    public ulong? KeepBestModel()
    {
        RunResult? best = plan.Seeds.Select(seed => Runs.Find($"{ArmList.Scopes}-{seed}")).OfType<RunResult>()
            .Where(run => Directory.Exists(ModelFolder(run.Seed))).MaxBy(run => run.Validation);
        if (best is null)
            return null;
        TrainableModel.Load(ModelFolder(best.Seed)).Save(BestModelFolder);
        ReaderFile.Save(Path.Combine(BestModelFolder, ReaderFile.Name),
            ReaderFile.Load(Path.Combine(ModelFolder(best.Seed), ReaderFile.Name)));
        return best.Seed;
    }

    // Runs that another process has are waited for: it may be killed.
    private static void WorkToEnd(Func<bool>[] tasks, int workers, DateTime deadline,
        CancellationToken cancellationToken)
    {
        while (!Work(tasks, workers, deadline, cancellationToken) && DateTime.UtcNow < deadline)
        {
            cancellationToken.WaitHandle.WaitOne(s_pause);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Runs tasks on several threads, each of which returns whether its run has finished.</summary>
    /// <returns>Whether all have finished.</returns>
    private static bool Work(Func<bool>[] tasks, int workers, DateTime deadline, CancellationToken cancellationToken)
    {
        int next = -1;
        int finished = 0;
        Exception? failure = null;
        Thread[] threads = [.. Enumerable.Range(0, workers).Select(_ => new Thread(Loop))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        if (failure is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        cancellationToken.ThrowIfCancellationRequested();
        return finished == tasks.Length;

        void Loop()
        {
            try
            {
                while (failure is null && DateTime.UtcNow < deadline && !cancellationToken.IsCancellationRequested
                    && Interlocked.Increment(ref next) is int index && index < tasks.Length)
                {
                    if (tasks[index]())
                        Interlocked.Increment(ref finished);
                }
            }
            catch (Exception problem)
            {
                failure = problem;
            }
        }
    }

    private bool Tune(Arm arm, double rate, CancellationToken cancellationToken)
        => Once(Tuning, TuningName(arm, rate), () =>
        {
            try
            {
                return Train(arm, RunPlan.TuningSeed, rate, plan.Tuning, isFinal: false, cancellationToken);
            }
            catch (Exception problem) when (problem is TrainingException or ActivationOverflowException)
            {
                log.WriteLine($"{TuningName(arm, rate)}: {problem.Message}");
                return Diverged(arm, rate);
            }
        });

    // A rate at which training diverges answers no question.
    private RunResult Diverged(Arm arm, double rate) => new()
    {
        Arm = arm.Name,
        Seed = RunPlan.TuningSeed,
        Rate = rate,
        Steps = plan.Tuning.Steps,
        Validation = 0,
        Curve = [],
        Seconds = 0,
    };

    private bool RunFinal(Arm arm, ulong seed, CancellationToken cancellationToken)
        => Once(Runs, RunName(arm, seed), () => Train(arm, seed, ChosenRate(arm)!.Value, plan.Settings, isFinal: true,
            cancellationToken));

    private bool Once(RunStore store, string name, Func<RunResult> run)
    {
        if (store.Find(name) is not null)
            return true;
        using IDisposable? taken = store.TryTake(name);
        if (taken is null)
            return false;
        // Another process may have finished the run between the two calls.
        if (store.Find(name) is not null)
            return true;
        RunResult result = run();
        store.Save(name, result);
        log.WriteLine($"{DateTime.Now:HH:mm:ss}  {name}: validation {result.Validation:0.000}" +
            (result.Test is { } test ? $", test {test.Average():0.000}" : "") + $", {result.Seconds:0} s");
        return true;
    }

    private RunResult Train(Arm arm, ulong seed, double rate, RunSettings settings, bool isFinal,
        CancellationToken cancellationToken)
    {
        Stopwatch watch = Stopwatch.StartNew();
        using Trainee trainee = new(arm.Create(seed), seed, settings);
        IReadOnlyList<CurvePoint> curve = trainee.Train(rate, _training.Value, _validation.Value, cancellationToken);
        RunResult result = new()
        {
            Arm = arm.Name,
            Seed = seed,
            Rate = rate,
            Steps = settings.Steps,
            Validation = curve[^1].Accuracy,
            Curve = curve,
            Seconds = 0,
        };
        if (isFinal)
            result = WithTests(result, arm, trainee, settings);
        return result with { Seconds = Math.Round(watch.Elapsed.TotalSeconds, 1) };
    }

    private RunResult WithTests(RunResult result, Arm arm, Trainee trainee, RunSettings settings)
    {
        if (arm.Name == ArmList.Scopes)
        {
            string target = ModelFolder(trainee.Seed);
            ((ScopedModel)trainee.Model).Model.Save(target);
            ReaderFile.Save(Path.Combine(target, ReaderFile.Name), trainee.Reader);
        }

        result = result with { Test = Evaluate() };
        TrainableTensor[] tensors = [.. trainee.Model.Tensors, .. trainee.Reader.Tensors];
        using (new Rounding(tensors, Rounding.ToFloat16))
            result = result with { TestFloat16 = Evaluate() };
        using (new Rounding(tensors, Rounding.ToBFloat16))
            result = result with { TestBFloat16 = Evaluate() };
        if (!arm.IsSizeFixed)
            result = result with { TestDoubled = Evaluate(scale: 2) };
        if (arm.InPatches?.Invoke(trainee.Model) is { } inPatches)
        {
            using (inPatches)
                result = result with { TestDoubledInPatches = Evaluate(scale: 2, inPatches) };
        }

        if (trainee.Model is ScopedModel { Model: { Config.Gate: not null } model } scoped && !arm.IsSizeFixed)
        {
            if (!model["gate.fc2.weight"].IsFrozen)
                result = result with
                {
                    Gate = GateUse.Measure(scoped, trainee.Reader, _test.Value, trainee.TestSequence,
                        Math.Min(GateScenes, settings.TestScenes), settings.QuestionsPerTask),
                };
            float[] sigmas = [.. model.Tensors.Where(Rescale.IsSigma).SelectMany(tensor => tensor.Values.ToArray())];
            if (sigmas.Length > 0)
                result = result with { Sigmas = [.. sigmas.Select(value => Math.Exp(value))] };
        }

        return result;

        double[] Evaluate(int scale = 1, TokenModel? model = null)
            => trainee.Evaluate(_test.Value, GarmentSplit.Test, settings.TestScenes / (scale * scale), scale, model);
    }
}

using System.Diagnostics;
using MsResampler.Cli.Maps;
using MsResampler.Cli.Photos;
using MsResampler.Cli.Training;
using MsResampler.Files;
using MsResampler.Training;

namespace MsResampler.Cli.Commands;

/// <summary>One call of <c>train</c>.</summary>
internal sealed class TrainRun
{
    private const string CheckpointName = "training.safetensors";
    private const string LogName = "training.csv";
    private const string PlotName = "training.png";
    private const string LockName = "training.lock";
    private const string WeightsName = "model.safetensors";

    // A plot is drawn if the time since the last one is this many times the time that it took: drawing takes at most
    // a hundredth of the training.
    private const int PlotInterval = 100;

    private readonly TrainRequest _request;
    private readonly TrainableModel _model;
    private readonly TrainingLoop _loop;
    private readonly TrainingLog _log;
    private readonly Terminal _terminal;
    private long _plottedAt;
    private TimeSpan _plotTime;

    private TrainRun(TrainRequest request, TrainableModel model, TrainingLoop loop, TrainingLog log, Terminal terminal)
        => (_request, _model, _loop, _log, _terminal) = (request, model, loop, log, terminal);

    private string Checkpoint => Path.Combine(_request.Output, CheckpointName);

    /// <summary>Trains the model.</summary>
    public static void Run(TrainRequest request, Terminal terminal, CancellationToken cancellationToken)
    {
        CheckInputs(request);
        // The folder is locked before it is looked at: a second process must not start from what this one replaces.
        using OutputFolder folder = new(request.Output, "--out", new Inputs());
        using FileLock @lock = Lock(request.Output);
        bool isResumed = CheckOutput(request);
        using IFeatureSource source = request.OpenSource();
        InputGroups groups = new(source, request.TemporalIds);
        using TeacherTokens teacher = TeacherTokens.Open(request.Teacher);
        terminal.Say($"reading {request.Model}");
        TrainableModel model = LoadModel(request, terminal, cancellationToken);
        CheckSizes(request, groups, teacher, model.Config);
        SelectTensors(request, model);
        TrainingData data = new(groups, teacher, model.Config);
        SigmaLimits limits = SigmaLimits.ForGrid(LargestOf(source.Grids)).Including(model);
        using ResamplerTrainer trainer = new(model, new TrainerOptions { ThreadCount = request.ThreadCount ?? 0 });
        BatchMemory.Require($"--batch {request.Options.BatchSize}", request.Options, groups, trainer);
        terminal.Say("reading features and tokens");
        TrainingOptions options = request.Options with
        {
            Origin = new Dictionary<string, string>
            {
                ["the model"] = Fingerprint.OfModel(request.Model, request.Layout, cancellationToken),
                ["the features and tokens"] = data.Fingerprint(cancellationToken),
                ["--train"] = request.Trained.Text,
                ["--learn-sigma"] = request.LearnSigma ? "given" : "not given",
                ["sigmas"] = $"{limits}",
            },
        };
        TrainingLoop loop = CreateLoop(request, model, trainer, data, options, limits, cancellationToken);
        if (isResumed)
            Resume(request, loop);
        using TrainingLog log = new(Path.Combine(request.Output, LogName), loop.Step, options.StepCount, terminal.Warn);
        folder.Commit();
        new TrainRun(request, model, loop, log, terminal).Train(isResumed, trainer.ThreadCount, cancellationToken);
    }

    private static TrainingLoop CreateLoop(TrainRequest request, TrainableModel model, ResamplerTrainer trainer,
        TrainingData data, TrainingOptions options, SigmaLimits limits, CancellationToken cancellationToken)
    {
        try
        {
            Distillation distillation = new(trainer, data, cancellationToken);
            return new TrainingLoop(model.Tensors, distillation, options, () => limits.Apply(model));
        }
        catch (ArgumentException exception)
        {
            throw new InputException($"{request.Teacher}: {exception.Message.Split(" (Parameter")[0]}", exception);
        }
    }

    private static void Resume(TrainRequest request, TrainingLoop loop)
    {
        try
        {
            loop.Resume(Path.Combine(request.Output, CheckpointName));
        }
        catch (InvalidDataException exception)
        {
            throw new InputException(exception.Message, exception);
        }
    }

    private static FileLock Lock(string folder)
    {
        try
        {
            return FileLock.TryCreate(Path.Combine(folder, LockName)) ?? throw new InputException($"{folder}: " +
                "another process trains a model here; wait for it, or choose another folder");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{folder}: expected a folder that can be written: {exception.Message}",
                exception);
        }
    }

    /// <summary>Checks that no input would be replaced.</summary>
    private static void CheckInputs(TrainRequest request)
    {
        string folder = request.Output;
        Inputs inputs = new Inputs().AddModel(request.Model).Add(request.Teacher, "the tokens of the teacher");
        foreach (string path in request.InputFiles)
            inputs.Add(path);
        NewModel.Check(folder, inputs);
        foreach (string name in (string[])[CheckpointName, LogName, PlotName])
        {
            inputs.Check(Path.Combine(folder, name));
            OutputFile.Check(Path.Combine(folder, name));
        }
    }

    /// <summary>Checks the folder for the output.</summary>
    /// <returns>Whether it holds a training that is to be continued.</returns>
    private static bool CheckOutput(TrainRequest request)
    {
        string folder = request.Output;
        bool hasTraining = File.Exists(Path.Combine(folder, CheckpointName));
        if (hasTraining && !request.Resume)
            throw new InputException($"{folder}: the folder already holds a training ({CheckpointName}); --resume " +
                "continues it, or choose another folder");
        if (!hasTraining && File.Exists(Path.Combine(folder, ResamplerModel.ConfigFileName)))
            throw new InputException($"{folder}: the folder already holds a model, but no training; choose another " +
                "folder");
        foreach (string name in (string[])[WeightsName, PlotName])
        {
            if (!hasTraining && File.Exists(Path.Combine(folder, name)))
                throw new InputException($"{folder}: the folder already holds {name}, but no training; choose " +
                    "another folder");
        }

        TrainingLog.Check(Path.Combine(folder, LogName), hasTraining);
        NewModel.RefuseToOverwrite(folder, force: true);
        return hasTraining;
    }

    private static TrainableModel LoadModel(TrainRequest request, Terminal terminal,
        CancellationToken cancellationToken)
    {
        using ResamplerModel opened = TokenEngine.OpenModel(request.Model, request.Layout, terminal);
        cancellationToken.ThrowIfCancellationRequested();
        TrainableModel model = TrainableModel.From(opened);
        return request.LearnSigma ? model.WithLearnedSigmas() : model;
    }

    private static void SelectTensors(TrainRequest request, TrainableModel model)
    {
        foreach (string pattern in request.Trained.Patterns)
        {
            if (model.Tensors.Any(tensor => NamePattern.Matches(pattern, tensor.Name)))
                continue;
            string hint = pattern.EndsWith("log_sigma", StringComparison.Ordinal)
                ? !model.Config.Scopes.Any(scope => scope.Prior == ScopePrior.Gaussian)
                    ? "; the model has no Gaussian scope" : request.LearnSigma ? "" : "; add --learn-sigma" : "";
            throw new InputException($"--train {pattern}: expected {TrainedParts.Names} or a pattern of names of " +
                $"tensors, found none in {request.Model} that it matches{hint}; inspect {request.Model} lists them");
        }

        NamePattern.TrainOnly(model.Tensors, request.Trained.Patterns);
    }

    private static void CheckSizes(TrainRequest request, InputGroups groups, TeacherTokens teacher,
        ResamplerConfig config)
    {
        RunImages.CheckChannels(groups.Source, config, request.Model);
        if (teacher.ImageCount != groups.Count)
            throw new InputException($"{request.Teacher}: expected tokens of {groups}, found those of " +
                $"{Quantity.Count(teacher.ImageCount)}: the features must be those that the tokens come from");
        if ((teacher.TokenCount, teacher.TokenWidth) != (config.QueryGrid.QueryCount, config.OutputSize))
            throw new InputException($"{request.Teacher}: expected {config.QueryGrid.QueryCount} tokens of " +
                $"{config.OutputSize} channels, as {request.Model} gives them, found {teacher.TokenCount} of " +
                $"{teacher.TokenWidth}");
        long largest = Enumerable.Range(0, groups.Count).Max(groups.PatchCountOf);
        CallSize.RequireSizes($"--batch {request.Options.BatchSize}", config, largest, request.Options.BatchSize);
    }

    private static PatchGrid LargestOf(IReadOnlyList<PatchGrid> grids)
        => new(grids.Max(grid => grid.Rows), grids.Max(grid => grid.Columns));

    private void Train(bool isResumed, int threadCount, CancellationToken cancellationToken)
    {
        int stepCount = (int)_request.Options.StepCount;
        _terminal.Line(Describe(isResumed, threadCount));
        if (!isResumed)
            WriteCheckpoint(isLast: false);
        using (Interruption.ExtendGrace())
        {
            try
            {
                _terminal.Track("steps", stepCount, progress => _loop.Run(step =>
                {
                    _log.Add(step);
                    progress.Report((int)step.Step, FormattableString.Invariant(
                        $"loss {step.Loss:G4}, {Quantity.Digits(step.ItemsPerSecond)} images/s"));
                    if (step.Step % _request.CheckpointEvery == 0 && !_loop.IsFinished)
                        WriteCheckpoint(isLast: false);
                }, cancellationToken), first: (int)_loop.Step);
            }
            catch (OperationCanceledException)
            {
                WriteCheckpoint(isLast: true);
                Interruption.Notice = $"interrupted; {_request.Output} holds step {Quantity.Count(_loop.Step)} of " +
                    $"{Quantity.Count(stepCount)}: the same command with --resume continues";
                throw;
            }

            WriteCheckpoint(isLast: true);
        }

        double loss = _log.Curve.Recent.DefaultIfEmpty(double.NaN).Average();
        _terminal.Line(FormattableString.Invariant($"{_request.Output}: {Quantity.Count(stepCount)} steps, loss ") +
            FormattableString.Invariant($"{loss:G4} in the last {_log.Curve.Recent.Count}, ") +
            $"{Quantity.Duration(TimeSpan.FromSeconds(_log.Seconds))}; the curve is in " +
            Path.Combine(_request.Output, PlotName));
        _terminal.Line($"Next: msresampler run --model {_request.Output} {_request.InputOption} " +
            $"{_request.InputFiles[0]}{_request.LayoutOptions} --out new-tokens.safetensors");
    }

    private string Describe(bool isResumed, int threadCount)
    {
        long all = _model.Tensors.Sum(tensor => (long)tensor.Count);
        long trained = _model.Tensors.Where(tensor => !tensor.IsFrozen).Sum(tensor => (long)tensor.Count);
        string parameters = (trained == all ? "" : $"{Quantity.Count(trained)} of ") +
            $"{Quantity.Count(all)} parameters";
        string start = !isResumed ? "" : _loop.IsFinished ? ", all steps done"
            : $", resumed after step {Quantity.Count(_loop.Step)}";
        return $"{_request.Output}: training {parameters}, {threadCount} thread{(threadCount == 1 ? "" : "s")}{start}";
    }

    /// <summary>Writes rows, checkpoint, model and plot, in this order: after a kill between two of them, a resumed run
    /// has all rows, and the folder holds the model of this checkpoint or of the one before.</summary>
    private void WriteCheckpoint(bool isLast)
    {
        _log.Flush();
        _loop.Save(Checkpoint);
        _loop.Average?.Swap();
        try
        {
            _model.Save(_request.Output);
        }
        finally
        {
            _loop.Average?.Swap();
        }

        if (isLast || Stopwatch.GetElapsedTime(_plottedAt) >= PlotInterval * _plotTime)
            WritePlot();
    }

    private void WritePlot()
    {
        long start = Stopwatch.GetTimestamp();
        using OutputFile plot = new(Path.Combine(_request.Output, PlotName), new Inputs());
        plot.Stream.Write(LossPlot.Draw($"training of {Path.GetFileName(Path.GetFullPath(_request.Output))}",
            _log.Curve));
        plot.Commit(CancellationToken.None);
        _plottedAt = Stopwatch.GetTimestamp();
        _plotTime = Stopwatch.GetElapsedTime(start, _plottedAt);
    }
}

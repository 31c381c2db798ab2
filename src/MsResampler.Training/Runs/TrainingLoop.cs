using System.Diagnostics;

namespace MsResampler.Training;

/// <summary>Trains tensors on an objective: batches, gradients, the limit of their norm, the step of the optimiser, the
/// average of weights; and checkpoints.</summary>
/// <remarks>A run that was stopped at any moment and resumed from a checkpoint on the same machine has the bits of a
/// run without interruption, if the objective has the same bits. Not thread-safe.</remarks>
public sealed class TrainingLoop
{
    private readonly IObjective _objective;
    private readonly TrainingOptions _options;
    private readonly Action? _afterStep;
    private readonly CosineSchedule _schedule;
    private readonly BatchOrder _order;
    private readonly int[] _items;

    // The step that failed after weights had begun to change; 0 for none.
    private long _failedStep;

    /// <summary>Prepares a run from the present weights.</summary>
    /// <param name="tensors">All tensors that a checkpoint stores, frozen ones too; names are unique.</param>
    /// <param name="objective">The loss.</param>
    /// <param name="options">The options.</param>
    /// <param name="afterStep">Called after each step of the optimiser, to keep weights within limits; for example
    /// <see cref="SigmaLimits.Apply"/>.</param>
    /// <exception cref="ArgumentException">An option is out of range, or every tensor is frozen.</exception>
    public TrainingLoop(IReadOnlyList<TrainableTensor> tensors, IObjective objective, TrainingOptions options,
        Action? afterStep = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentNullException.ThrowIfNull(objective);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(options.Optimiser);
        ArgumentNullException.ThrowIfNull(options.Origin);
        if (tensors.All(tensor => tensor.IsFrozen))
            throw new ArgumentException("expected at least one tensor that is not frozen, found none", nameof(tensors));
        if (!(options.GradientLimit > 0))
            throw new ArgumentException($"{nameof(options.GradientLimit)}: expected a number above 0, found " +
                $"{options.GradientLimit:R}", nameof(options));
        (_objective, _options, _afterStep) = (objective, options, afterStep);
        Optimiser = new AdamW(tensors, options.Optimiser);
        Average = options.AverageDecay is { } decay ? new WeightAverage(tensors, decay) : null;
        _schedule = new CosineSchedule(options.LearningRate, options.WarmupSteps, options.StepCount,
            options.FinalRate);
        _order = new BatchOrder(objective.ItemCount, options.BatchSize, options.Seed);
        _items = new int[options.BatchSize];
    }

    /// <summary>The tensors.</summary>
    public IReadOnlyList<TrainableTensor> Tensors => Optimiser.Tensors;

    /// <summary>The optimiser.</summary>
    public AdamW Optimiser { get; }

    /// <summary>The moving average of the weights, or null.</summary>
    public WeightAverage? Average { get; }

    /// <summary>The number of steps that were taken.</summary>
    public long Step => Optimiser.StepCount;

    /// <summary>Whether all steps were taken.</summary>
    public bool IsFinished => Step >= _options.StepCount;

    /// <summary>Takes the next step.</summary>
    /// <param name="cancellationToken">Cancels the step: weights and optimiser stay as before.</param>
    /// <returns>The result; rate and time left are those of this step alone.</returns>
    /// <exception cref="TrainingException">The loss, a token, a gradient or a weight is NaN or infinite.</exception>
    /// <exception cref="InvalidOperationException">All steps were taken, or an earlier step failed while weights
    /// changed.</exception>
    public TrainingStep Next(CancellationToken cancellationToken = default)
    {
        RequireWholeStep();
        if (IsFinished)
            throw new InvalidOperationException($"expected a step that is left, found that all " +
                $"{_options.StepCount} were taken");
        long start = Stopwatch.GetTimestamp();
        long step = Step + 1;
        cancellationToken.ThrowIfCancellationRequested();
        foreach (TrainableTensor tensor in Tensors)
            tensor.Gradient.Clear();
        _order.Fill(step, _items);
        double loss = LossOf(step, cancellationToken);
        if (!double.IsFinite(loss))
            throw new TrainingException(step, "loss", $"expected a finite number, found {loss}; lower the learning " +
                "rate, or check the data");
        double norm = GradientNorm.Clip(Tensors, _options.GradientLimit, step);
        double rate = _schedule.RateAt(step);
        // The last chance: from here on weights change.
        cancellationToken.ThrowIfCancellationRequested();
        _failedStep = step;
        Optimiser.Step(rate);
        _afterStep?.Invoke();
        Average?.Update();
        _failedStep = 0;
        double seconds = Math.Max(Stopwatch.GetElapsedTime(start).TotalSeconds, 1e-9);
        return new TrainingStep(step, _options.StepCount, loss, rate, norm, _options.BatchSize / seconds,
            TimeSpan.FromSeconds(seconds * (_options.StepCount - step)));
    }

    /// <summary>Takes all steps that are left.</summary>
    /// <param name="onStep">Called after each step, for example to show progress and to write checkpoints; may be
    /// null.</param>
    /// <param name="cancellationToken">Cancels the run between two steps, or within one if the objective checks it.
    /// Weights and optimiser are then those after the last call of <paramref name="onStep"/>.</param>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    /// <inheritdoc cref="Next" path="/exception[@cref='T:MsResampler.Training.TrainingException']"/>
    public void Run(Action<TrainingStep>? onStep = null, CancellationToken cancellationToken = default)
    {
        long first = Step;
        TimeSpan busy = TimeSpan.Zero;
        while (!IsFinished)
        {
            long start = Stopwatch.GetTimestamp();
            TrainingStep step = Next(cancellationToken);
            busy += Stopwatch.GetElapsedTime(start);
            double seconds = Math.Max(busy.TotalSeconds, 1e-9) / (step.Step - first);
            onStep?.Invoke(step with
            {
                ItemsPerSecond = _options.BatchSize / seconds,
                TimeLeft = TimeSpan.FromSeconds(seconds * (_options.StepCount - step.Step)),
            });
        }
    }

    /// <summary>Writes a checkpoint atomically: weights, moments, averages, the step, all options and the names of
    /// frozen tensors. Together with the data it decides every further bit.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="cancellationToken">Cancels the call; the previous file remains.</param>
    /// <exception cref="TrainingException">A value is NaN or infinite; the previous file remains.</exception>
    /// <exception cref="InvalidOperationException">The last step failed while weights changed, so that they are those
    /// of no step; the previous file remains.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The process lacks permission to write the folder or the
    /// file.</exception>
    public void Save(string path, CancellationToken cancellationToken = default)
    {
        RequireWholeStep();
        TrainingCheckpoint.Write(path, Optimiser, Average, _options.ToText(), cancellationToken);
    }

    /// <summary>Continues from a checkpoint, also after a step that failed. Nothing changes if it does not
    /// fit.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">The file is not a checkpoint of this run: tensors, which of them are
    /// frozen, options or <see cref="TrainingOptions.Origin"/> differ, or the content is damaged. The message names
    /// what.</exception>
    /// <exception cref="Safetensors.SafetensorsException">The file is damaged.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public void Resume(string path)
    {
        TrainingCheckpoint.Read(path, Optimiser, Average, _options.ToText(), _options.StepCount);
        _failedStep = 0;
    }

    private double LossOf(long step, CancellationToken cancellationToken)
    {
        try
        {
            return _objective.AddGradients(_items, cancellationToken);
        }
        catch (ActivationOverflowException exception)
        {
            throw new TrainingException(step, "tokens", $"{exception.Message}; or lower the learning rate", exception);
        }
    }

    private void RequireWholeStep()
    {
        if (_failedStep > 0)
            throw new InvalidOperationException($"expected weights after a whole step, found that step {_failedStep} " +
                "failed while weights changed; Resume continues from the last checkpoint");
    }
}

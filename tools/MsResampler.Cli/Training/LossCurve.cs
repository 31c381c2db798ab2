namespace MsResampler.Cli.Training;

/// <summary>The loss over the steps of a training, in columns of neighbouring steps: its memory and the time to draw it
/// do not grow with the steps. The same losses in the same order give the same bits.</summary>
/// <param name="stepCount">The number of steps of the whole training.</param>
/// <param name="columnCount">The number of columns.</param>
internal sealed class LossCurve(long stepCount, int columnCount)
{
    // The last steps whose mean loss is reported.
    private const int RecentCount = 20;

    private readonly (double Low, double Mean, double High)?[] _columns = new (double, double, double)?[columnCount];
    private readonly long[] _counts = new long[columnCount];
    private readonly Queue<double> _recent = new(RecentCount);

    /// <summary>The number of steps of the whole training.</summary>
    public long StepCount => stepCount;

    /// <summary>The first step that was added; 0 if there is none.</summary>
    public long FirstStep { get; private set; }

    /// <summary>The last step that was added; 0 if there is none.</summary>
    public long LastStep { get; private set; }

    /// <summary>The smallest, mean and largest loss of the steps of each column; null for a column without
    /// steps.</summary>
    public IReadOnlyList<(double Low, double Mean, double High)?> Columns => _columns;

    /// <summary>The last losses, at most 20.</summary>
    public IReadOnlyCollection<double> Recent => _recent;

    /// <summary>The range of the losses above 0; null if no loss is above 0.</summary>
    public (double Low, double High)? Range { get; private set; }

    /// <summary>Adds a step, after all earlier ones.</summary>
    public void Add(long step, double loss)
    {
        if (FirstStep == 0)
            FirstStep = step;
        LastStep = step;
        int column = (int)Math.Min((long)((Int128)step * columnCount / stepCount), columnCount - 1);
        _counts[column]++;
        _columns[column] = _columns[column] is not { } values ? (loss, loss, loss)
            : (Math.Min(values.Low, loss), values.Mean + ((loss - values.Mean) / _counts[column]),
                Math.Max(values.High, loss));
        if (loss > 0)
            Range = Range is not { } range ? (loss, loss) : (Math.Min(range.Low, loss), Math.Max(range.High, loss));
        if (_recent.Count == RecentCount)
            _recent.Dequeue();
        _recent.Enqueue(loss);
    }
}

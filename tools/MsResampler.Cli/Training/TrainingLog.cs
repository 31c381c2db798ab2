using System.Diagnostics;
using System.Globalization;
using System.Text;
using MsResampler.Cli.Maps;
using MsResampler.Training;

namespace MsResampler.Cli.Training;

/// <summary>The file <c>training.csv</c>: a row for each step, which is appended. Rows after the step of a checkpoint
/// are removed when a run is resumed from it, because their steps are taken again.</summary>
internal sealed class TrainingLog : IDisposable
{
    private const string Header = "step,loss,learning_rate,gradient_norm,seconds";

    // A row has at most 20 digits of a step and four numbers of at most 25 characters.
    private const int MaxLineBytes = 256;

    private static readonly TimeSpan s_flushInterval = TimeSpan.FromSeconds(1);

    private readonly FileStream _file;
    private readonly StreamWriter _writer;
    private readonly Stopwatch _time = Stopwatch.StartNew();
    private readonly double _earlierSeconds;
    private TimeSpan _flushedAt;
    private double _lastSeconds;

    /// <summary>Opens or creates the file and keeps the rows up to a step.</summary>
    /// <param name="path">The file.</param>
    /// <param name="step">The last step to keep; 0 for none.</param>
    /// <param name="stepCount">The number of steps of the whole training.</param>
    /// <param name="warn">Receives which rows are missing.</param>
    public TrainingLog(string path, long step, long stepCount, Action<string> warn)
    {
        Curve = new LossCurve(stepCount, LossPlot.ColumnCount);
        _file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        long length = Keep(step, out _earlierSeconds);
        _lastSeconds = _earlierSeconds;
        long first = Curve.LastStep + 1;
        if (first <= step)
            warn($"{path}: the rows of steps {first} to {step} are missing or damaged; the curve lacks them");
        else if (Curve.FirstStep > 1)
            warn($"{path}: the rows of steps 1 to {Curve.FirstStep - 1} are missing; the curve lacks them");
        _file.SetLength(length);
        _file.Position = length;
        _writer = new StreamWriter(_file) { NewLine = "\n" };
        if (length == 0)
            _writer.WriteLine(Header);
    }

    /// <summary>The losses of all rows.</summary>
    public LossCurve Curve { get; }

    /// <summary>The time from the start to the last row, in this run and those before it.</summary>
    public double Seconds => _lastSeconds;

    /// <summary>Adds a row.</summary>
    public void Add(TrainingStep step)
    {
        Curve.Add(step.Step, step.Loss);
        _lastSeconds = _earlierSeconds + _time.Elapsed.TotalSeconds;
        _writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{step.Step},{step.Loss:R},{step.Rate:R},{step.GradientNorm:R},{Seconds:F3}"));
        if (_time.Elapsed - _flushedAt < s_flushInterval)
            return;
        _writer.Flush();
        _flushedAt = _time.Elapsed;
    }

    /// <summary>Writes all rows to the disk. Called before a checkpoint is written, so that a checkpoint never has
    /// steps without rows.</summary>
    public void Flush()
    {
        _writer.Flush();
        _file.Flush(flushToDisk: true);
    }

    public void Dispose() => _writer.Dispose();

    /// <summary>Checks that an existing file is one of <c>train</c>, so that no other file is cut off.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mayHaveRows">Whether there is a checkpoint that the rows may belong to. Without one, a run that was
    /// killed at its start leaves at most the first line.</param>
    /// <exception cref="InputException">It is not.</exception>
    public static void Check(string path, bool mayHaveRows)
    {
        if (Directory.Exists(path))
            throw new InputException($"{path}: this is a folder; expected a file, or none");
        if (!File.Exists(path))
            return;
        byte[] expected = Encoding.ASCII.GetBytes(Header + "\n");
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        byte[] start = new byte[expected.Length];
        int count = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        bool isStart = expected.AsSpan().StartsWith(start.AsSpan(0, count));
        if (isStart && (file.Length <= expected.Length || mayHaveRows))
            return;
        throw new InputException(isStart
            ? $"{path}: expected no rows without the checkpoint they belong to, found some; move the file away, or " +
                "choose another folder"
            : $"{path}: expected a file of a training, with the first line '{Header}', found another; move the " +
                "file away, or choose another folder");
    }

    /// <summary>Reads the rows up to a step and returns the length of the file up to there.</summary>
    private long Keep(long step, out double seconds)
    {
        seconds = 0;
        Span<byte> line = stackalloc byte[MaxLineBytes];
        long length = 0;
        int count = 0;
        for (int value; (value = _file.ReadByte()) >= 0;)
        {
            if (value != '\n')
            {
                if (count == line.Length)
                    break;
                line[count++] = (byte)value;
                continue;
            }

            string text = Encoding.ASCII.GetString(line[..count]);
            if (length == 0 ? text != Header : !TryAdd(text, step, ref seconds))
                break;
            length += count + 1;
            count = 0;
        }

        return length;
    }

    private bool TryAdd(string line, long last, ref double seconds)
    {
        string[] fields = line.Split(',');
        if (fields.Length != 5 || !long.TryParse(fields[0], NumberStyles.None, CultureInfo.InvariantCulture,
                out long step) || step > last || (Curve.LastStep > 0 && step != Curve.LastStep + 1)
            || !TryParse(fields[1], out double loss)
            || !TryParse(fields[2], out _) || !TryParse(fields[4], out double at))
            return false;
        seconds = at;
        Curve.Add(step, loss);
        return true;
    }

    private static bool TryParse(string text, out double value)
        => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
}

using System.Collections.Concurrent;

namespace MsResampler.Perf.Soak;

/// <summary>How many requests of a kind ended in which way.</summary>
internal sealed class SoakCounts
{
    private const int MaxProblems = 20;
    private readonly ConcurrentQueue<string> _problems = [];
    private long _sent;
    private long _right;
    private long _refused;
    private long _gone;

    /// <summary>Requests of which at least one byte was sent.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Answers with the bits of the library.</summary>
    public long Right => Interlocked.Read(ref _right);

    /// <summary>Wrong requests that were answered with the expected status.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Requests whose client went away.</summary>
    public long Gone => Interlocked.Read(ref _gone);

    /// <summary>What went wrong, at most <see cref="MaxProblems"/> lines.</summary>
    public IReadOnlyCollection<string> Problems => _problems;

    /// <summary>Counts a request before its first byte.</summary>
    public void AddSent() => Interlocked.Increment(ref _sent);

    /// <summary>Counts a right answer.</summary>
    public void AddRight() => Interlocked.Increment(ref _right);

    /// <summary>Counts a refusal.</summary>
    public void AddRefused() => Interlocked.Increment(ref _refused);

    /// <summary>Counts a client that went away.</summary>
    public void AddGone() => Interlocked.Increment(ref _gone);

    /// <summary>Notes a problem.</summary>
    public void Add(string problem)
    {
        if (_problems.Count < MaxProblems)
            _problems.Enqueue(problem);
    }
}

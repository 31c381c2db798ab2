using System.Buffers;
using System.IO.Pipelines;

namespace MsResampler.Server.Tests.Rest;

/// <summary>A body that arrives in given pieces: each becomes visible when everything before it was examined, and is a
/// segment of its own.</summary>
/// <param name="pieces">The pieces.</param>
internal sealed class PieceReader(IReadOnlyList<byte[]> pieces) : PipeReader
{
    private ReadOnlySequence<byte> _buffer;
    private long _consumed;
    private int _visibleCount;
    private bool _isExamined = true;

    /// <summary>The number of calls that returned bytes.</summary>
    public int ReadCount { get; private set; }

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        bool isCompleted = false;
        if (_isExamined && _visibleCount == pieces.Count)
            isCompleted = true;
        else if (_isExamined)
            _visibleCount++;
        ReadCount++;
        _buffer = Join(pieces.Take(_visibleCount)).Slice(_consumed);
        return ValueTask.FromResult(new ReadResult(_buffer, isCanceled: false, isCompleted));
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        long start = _buffer.GetOffset(_buffer.Start);
        _isExamined = _buffer.GetOffset(examined) - start == _buffer.Length;
        _consumed += _buffer.GetOffset(consumed) - start;
    }

    public override bool TryRead(out ReadResult result) => throw new NotSupportedException();

    public override void CancelPendingRead() => throw new NotSupportedException();

    public override void Complete(Exception? exception = null)
    {
    }

    private static ReadOnlySequence<byte> Join(IEnumerable<byte[]> pieces)
    {
        Segment first = new([], null);
        Segment last = first;
        foreach (byte[] piece in pieces)
            last = new Segment(piece, last);
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(byte[] bytes, Segment? previous)
        {
            Memory = bytes;
            if (previous is null)
                return;
            RunningIndex = previous.RunningIndex + previous.Memory.Length;
            previous.Next = this;
        }
    }
}

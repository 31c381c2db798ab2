using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>The row part or the column part of the bias of a scope whose keys are absorbed. Each query row or
/// column has a table [patches of its window along the axis, lanes of heads] in base 2. The part depends on one
/// axis of the grid.</summary>
internal sealed unsafe class AbsorbedBias(PartKey key, AlignedBuffer memory, nint queryStride)
    : QueryPart(key, memory, queryStride)
{
    /// <param name="key">What the part depends on.</param>
    /// <param name="windows">The window of each query row or column.</param>
    /// <param name="bias">The scope's bias.</param>
    /// <param name="headCount">A.</param>
    /// <param name="laneCount">The number of heads, rounded up to whole tiles.</param>
    /// <param name="pool">Provides the memory.</param>
    public static AbsorbedBias Create(PartKey key, IReadOnlyList<AxisRange> windows, ScopeBias bias, int headCount,
        int laneCount, BufferPool pool)
    {
        int stride = windows.Max(range => range.Count) * laneCount;
        AbsorbedBias table = new(key, pool.Rent((long)windows.Count * stride), stride);
        table.Memory.Span.Clear();
        for (int query = 0; query < windows.Count; query++)
        {
            for (int head = 0; head < headCount; head++)
            {
                Span<float> target = table.Memory.Span.Slice((query * stride) + head, stride - head);
                if (key.Kind == PartKind.AbsorbedRowBias)
                    bias.FillRows(query, head, windows[query], target, laneCount);
                else
                    bias.FillColumns(query, head, windows[query], target, laneCount);
            }
        }

        return table;
    }
}

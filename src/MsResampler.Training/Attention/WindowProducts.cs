using System.Runtime.CompilerServices;
using MsResampler.Cpu;
using MsResampler.Cpu.Simd;

namespace MsResampler.Training.Attention;

/// <summary>Products of the rows of patches in a window with one vector per head.</summary>
[SkipLocalsInit]
internal static unsafe class WindowProducts<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Rows that a tile may write after the last one.</summary>
    public const int SpareRows = MicroKernel<SimdScalar, float>.MaxRowCount;

    /// <summary>Heads, rounded up to whole vectors.</summary>
    public static int LaneCount(int headCount) => (headCount + TSimd.Width - 1) / TSimd.Width * TSimd.Width;

    /// <summary>The dot products of rows of patches with a vector per head.</summary>
    /// <param name="rows">The row of the first patch of the frame.</param>
    /// <param name="offsets">The distance of each patch of the window from it, in floats.</param>
    /// <param name="count">The number of patches in the window.</param>
    /// <param name="width">D.</param>
    /// <param name="lanes">The vectors, [D, <paramref name="laneCount"/>].</param>
    /// <param name="laneCount">Heads in whole vectors.</param>
    /// <param name="result">Receives [<paramref name="count"/>, <paramref name="laneCount"/>], and is written up to
    /// <see cref="SpareRows"/> rows further.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dots(float* rows, int* offsets, int count, int width, float* lanes, int laneCount,
        float* result)
    {
        float** tile = stackalloc float*[MicroKernel<TSimd, TVector>.MaxRowCount];
        for (int lane = 0; lane < laneCount; lane += MicroKernel<TSimd, TVector>.PanelWidth)
        {
            int tileWidth = Math.Min(MicroKernel<TSimd, TVector>.PanelWidth, laneCount - lane);
            int tileRows = MicroKernel<TSimd, TVector>.RowCount(tileWidth);
            for (int first = 0; first < count; first += tileRows)
            {
                for (int r = 0; r < tileRows; r++)
                    tile[r] = rows + offsets[Math.Min(first + r, count - 1)];
                float* target = result + (first * laneCount) + lane;
                Clear(tileWidth, tileRows, laneCount, target);
                MicroKernel<TSimd, TVector>.Tile(tileWidth, tile, 1, width, lanes + lane, laneCount, target, laneCount,
                    target, laneCount);
            }
        }
    }

    /// <summary>The sums of rows of patches, weighted per head: <c>C_h = Σ w[k, h]·z_k</c>.</summary>
    /// <param name="weights">w, [<paramref name="count"/>, <paramref name="laneCount"/>].</param>
    /// <param name="laneCount">Heads in whole vectors.</param>
    /// <param name="headCount">A.</param>
    /// <param name="rows">The row of the first patch of the frame. Rows are readable up to a whole number of
    /// vectors.</param>
    /// <param name="offsets">The distance of each patch of the window from it, in floats.</param>
    /// <param name="steps">Scratch memory, 2·<paramref name="count"/> numbers.</param>
    /// <param name="count">The number of patches in the window.</param>
    /// <param name="width">D.</param>
    /// <param name="result">Receives C, [A, D], whose rows are writable up to a whole number of vectors.</param>
    /// <param name="stride">Floats between rows of C.</param>
    /// <param name="adds">Whether the sums are added to C.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void WeightedSums(float* weights, int laneCount, int headCount, float* rows, int* offsets, int* steps,
        int count, int width, float* result, nint stride, bool adds)
    {
        for (int k = 0; k < count; k++)
        {
            steps[2 * k] = k * laneCount;
            steps[(2 * k) + 1] = offsets[k];
        }

        float** tile = stackalloc float*[MicroKernel<TSimd, TVector>.MaxRowCount];
        float* edge = stackalloc float[MicroKernel<TSimd, TVector>.MaxRowCount
            * MicroKernel<TSimd, TVector>.PanelWidth];
        for (int column = 0; column < width; column += MicroKernel<TSimd, TVector>.PanelWidth)
        {
            int tileWidth = MicroKernel<TSimd, TVector>.TileWidth(
                Math.Min(MicroKernel<TSimd, TVector>.PanelWidth, width - column));
            int tileRows = MicroKernel<TSimd, TVector>.RowCount(tileWidth);
            for (int first = 0; first < headCount; first += tileRows)
            {
                int heads = Math.Min(tileRows, headCount - first);
                for (int r = 0; r < tileRows; r++)
                    tile[r] = weights + first + Math.Min(r, heads - 1);
                float* target = result + (first * stride) + column;
                Clear(tileWidth, tileRows, tileWidth, edge);
                for (int r = 0; adds && r < heads; r++)
                    new ReadOnlySpan<float>(target + (r * stride), tileWidth).CopyTo(
                        new Span<float>(edge + (r * tileWidth), tileWidth));
                MicroKernel<TSimd, TVector>.Gather(tileWidth, tile, rows + column, steps, count, edge, tileWidth, edge,
                    tileWidth);
                for (int r = 0; r < heads; r++)
                    new ReadOnlySpan<float>(edge + (r * tileWidth), tileWidth).CopyTo(
                        new Span<float>(target + (r * stride), tileWidth));
            }
        }
    }

    /// <summary>Adds <c>Σ_h w[k, h]·x_h</c> to a part of the columns of the patches of a window, for two sets of
    /// weights and vectors.</summary>
    /// <param name="weights">w, [<paramref name="count"/>, <paramref name="laneCount"/>].</param>
    /// <param name="vectors">x at the first column, [A, ·] in rows of <paramref name="vectorStride"/> floats.</param>
    /// <param name="otherWeights">The second weights.</param>
    /// <param name="otherVectors">The second vectors, with the same stride.</param>
    /// <param name="vectorStride">Floats between vectors. They are readable up to a whole number of vectors.</param>
    /// <param name="laneCount">Heads in whole vectors.</param>
    /// <param name="headCount">A.</param>
    /// <param name="rows">The row of the first patch of the frame at the first column, which is added to.</param>
    /// <param name="offsets">The distance of each patch of the window from it, in floats.</param>
    /// <param name="count">The number of patches in the window.</param>
    /// <param name="columns">The number of columns, at most the width of a panel.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Spread(float* weights, float* vectors, float* otherWeights, float* otherVectors,
        nint vectorStride, int laneCount, int headCount, float* rows, int* offsets, int count, int columns)
    {
        float** tile = stackalloc float*[MicroKernel<TSimd, TVector>.MaxRowCount];
        float* sums = stackalloc float[MicroKernel<TSimd, TVector>.MaxRowCount
            * MicroKernel<TSimd, TVector>.PanelWidth];
        int tileWidth = MicroKernel<TSimd, TVector>.TileWidth(columns);
        int tileRows = MicroKernel<TSimd, TVector>.RowCount(tileWidth);
        for (int first = 0; first < count; first += tileRows)
        {
            int keys = Math.Min(tileRows, count - first);
            Clear(tileWidth, tileRows, tileWidth, sums);
            for (int r = 0; r < tileRows; r++)
                tile[r] = weights + ((first + Math.Min(r, keys - 1)) * laneCount);
            MicroKernel<TSimd, TVector>.Tile(tileWidth, tile, 1, headCount, vectors, vectorStride, sums, tileWidth,
                sums, tileWidth);
            for (int r = 0; r < tileRows; r++)
                tile[r] = otherWeights + ((first + Math.Min(r, keys - 1)) * laneCount);
            MicroKernel<TSimd, TVector>.Tile(tileWidth, tile, 1, headCount, otherVectors, vectorStride, sums, tileWidth,
                sums, tileWidth);
            for (int r = 0; r < keys; r++)
            {
                float* target = rows + offsets[first + r];
                float* source = sums + (r * tileWidth);
                int i = 0;
                for (; i + TSimd.Width <= columns; i += TSimd.Width)
                    TSimd.Store(target + i, TSimd.Add(TSimd.Load(target + i), TSimd.Load(source + i)));
                for (; i < columns; i++)
                    target[i] += source[i];
            }
        }
    }

    private static void Clear(int width, int rowCount, nint stride, float* rows)
    {
        for (int row = 0; row < rowCount; row++)
            new Span<float>(rows + (row * stride), width).Clear();
    }
}

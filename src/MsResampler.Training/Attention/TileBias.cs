using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Training.Attention;

/// <summary>Computes the bias of a tile of queries: a table of the row part and one of the column part.</summary>
internal static unsafe class TileBias
{
    /// <summary>The least bias in the gradient of sigma, in place of −∞: a weight of 0 times a bias is then 0 and not
    /// NaN. Only −∞ hides a patch at logits of any size.</summary>
    public const float Least = -1e30f;

    /// <summary>Writes one part of the bias of a tile, in base 2: −∞ for hidden patches.</summary>
    /// <param name="axis">The queries of the tile.</param>
    /// <param name="lanes">The number of lanes.</param>
    /// <param name="patches">The rows or columns of patches of the tile.</param>
    /// <param name="sigma">The sigma along the axis, in patches.</param>
    /// <param name="table">Receives [patches, lanes].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Fill<TSimd, TVector>(LaneAxis axis, int lanes, AxisRange patches, double sigma, float* table)
        where TSimd : struct, ISimd<TVector>
    {
        // Clamped, because the square of a tiny sigma underflows, and infinity times an excess of 0 is NaN.
        double factor = Math.Max(-Base2.Log2E / (2 * sigma * sigma * axis.Unit), float.MinValue);
        TVector scale = TSimd.Create((float)factor);
        TVector unit = TSimd.Create(axis.Unit);
        TVector hidden = TSimd.Create(float.NegativeInfinity);
        for (int lane = 0; lane < lanes; lane += TSimd.Width)
        {
            TVector nearest = TSimd.Load(axis.Nearest + lane);
            TVector excess = TSimd.Subtract(TSimd.Zero, TSimd.Load(axis.Excess + lane));
            TVector first = TSimd.Load(axis.First + lane);
            TVector last = TSimd.Load(axis.Last + lane);
            float* target = table + lane;
            for (int patch = patches.Start; patch < patches.End; patch++, target += lanes)
            {
                TVector position = TSimd.Create(patch);
                TVector distance = TSimd.Subtract(position, nearest);
                TVector square = TSimd.Multiply(distance, TSimd.MultiplyAdd(distance, unit, excess));
                TVector value = TSimd.Multiply(square, scale);
                value = TSimd.SelectNegative(TSimd.Subtract(position, first), hidden, value);
                TSimd.Store(target, TSimd.SelectNegative(TSimd.Subtract(last, position), hidden, value));
            }
        }
    }

    /// <summary>Whether a tile needs the tables: its bias is not 0 for every query and patch.</summary>
    public static bool IsNeeded(FrameGeometry geometry, QueryTile tile) => !geometry.IsMask || !tile.IsFull;
}

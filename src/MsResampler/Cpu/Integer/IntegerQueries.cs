using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>Rounds the queries of a tile and head to the right operand of their product with rounded keys.</summary>
/// <remarks>With keys <c>k = offset + scale·i</c> per channel, a logit is <c>Σ q·offset + Σ (q·scale)·i</c>. The
/// factors q·scale are rounded, with one scale per query: the levels suit the contributions to the logits.</remarks>
internal static unsafe class IntegerQueries<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>The smallest scale, see <see cref="HeadQuantiser{TSimd,TVector}"/>.</summary>
    private const float SmallestScale = 1e-30f;

    /// <summary>Rounds queries.</summary>
    /// <param name="queries">The queries, [d, lanes].</param>
    /// <param name="lanes">Queries of the tile, padding included.</param>
    /// <param name="tileWidth">Columns of a panel.</param>
    /// <param name="keys">The keys.</param>
    /// <param name="frame">The frame of the keys.</param>
    /// <param name="head">The head.</param>
    /// <param name="scratch">Receives the rounded queries with their scales and offsets. The offset of a query is NaN
    /// if a logit could leave float32.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Round(float* queries, int lanes, int tileWidth, in IntegerHeads keys, int frame, int head,
        in AttentionScratch scratch)
    {
        float* scales = keys.Scales(frame, head), offsets = keys.Offsets(frame, head);
        int stepLength = keys.StepLength, stepBytes = keys.StepBytes, headSize = keys.HeadSize;
        nint panelBytes = (nint)AttentionScratch.Steps(headSize, keys) * tileWidth * stepBytes;
        float keyLevel = keys.Type == IntegerType.Int8 ? byte.MaxValue : keys.Level;
        for (int lane = 0; lane < lanes; lane += TSimd.Width)
        {
            TVector largest = TSimd.Create(SmallestScale * keys.Level), offset = TSimd.Zero, bound = TSimd.Zero;
            for (int channel = 0; channel < headSize; channel++)
            {
                TVector query = TSimd.Load(queries + ((nint)channel * lanes) + lane);
                TVector factor = TSimd.Multiply(query, TSimd.Create(scales[channel]));
                largest = TSimd.Max(largest, TSimd.Abs(factor));
                TVector product = TSimd.Multiply(query, TSimd.Create(offsets[channel]));
                offset = TSimd.Add(offset, product);
                bound = TSimd.Add(bound, TSimd.MultiplyAdd(TSimd.Abs(factor), TSimd.Create(keyLevel),
                    TSimd.Abs(product)));
            }

            TVector scale = TSimd.Divide(largest, TSimd.Create(keys.Level));
            TSimd.Store(scratch.QueryScale + lane, scale);
            TSimd.Store(scratch.QueryOffset + lane, TSimd.MultiplyAdd(bound, TSimd.Zero, offset));
            TVector inverse = TSimd.Divide(TSimd.Create(1), scale);
            byte* target = scratch.Queries + (lane / tileWidth * panelBytes) + (lane % tileWidth * stepBytes);
            for (int channel = 0; channel < headSize; channel += stepLength, target += tileWidth * stepBytes)
            {
                float* query = queries + ((nint)channel * lanes) + lane;
                TVector a = Level(query, lanes, scales, channel, headSize, inverse);
                TVector b = Level(query + lanes, lanes, scales, channel + 1, headSize, inverse);
                if (stepLength == 2)
                {
                    if (stepBytes == 2)
                        StepPacking<TSimd, TVector>.StoreTwoBytes(target,
                            StepPacking<TSimd, TVector>.UnsignedByte(a), b);
                    else
                        StepPacking<TSimd, TVector>.StoreTwoShorts(target,
                            StepPacking<TSimd, TVector>.UnsignedShort(a), b);
                    continue;
                }

                TVector c = Level(query + (2 * lanes), lanes, scales, channel + 2, headSize, inverse);
                TVector d = Level(query + (3 * lanes), lanes, scales, channel + 3, headSize, inverse);
                StepPacking<TSimd, TVector>.StoreFourBytes(target, StepPacking<TSimd, TVector>.UnsignedByte(a),
                    StepPacking<TSimd, TVector>.UnsignedByte(b), StepPacking<TSimd, TVector>.UnsignedByte(c), d);
            }
        }
    }

    /// <summary>The integers of a channel; 0 behind the last one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Level(float* query, int lanes, float* scales, int channel, int headSize, TVector inverse)
        => channel < headSize ? TSimd.Round(TSimd.Multiply(TSimd.Multiply(TSimd.Load(query),
            TSimd.Create(scales[channel])), inverse)) : TSimd.Zero;
}

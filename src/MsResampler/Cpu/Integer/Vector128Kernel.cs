using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace MsResampler.Cpu.Integer;

/// <summary>128-bit products of 16-bit integers. 8-bit weights are widened when they are loaded.</summary>
/// <remarks>SSE2 adds pairs of products in one instruction, and the sum of a column is one lane. Elsewhere the sum is
/// two lanes until it is stored, so that Arm multiplies and adds in one instruction. A pair of products is at most
/// 2·255·127 or 2·32,767² in magnitude and within 32 bits.</remarks>
internal sealed unsafe class Vector128Kernel : IntegerKernel
{
    public override string Name => "vector128";

    public override string Variant => "vector128";

    public override bool IsSupported => Vector128.IsHardwareAccelerated;

    public override int PanelWidth => 4 * Vector128<int>.Count;

    public override bool HasByteActivations => false;

    public override void MultiplyInt8(IntegerTile* tile)
    {
        if (Sse2.IsSupported)
            IntegerTiles<PairProduct<Int8Weights>, Vector128<short>, Vector128<int>>.TwiceTwoVectors(tile);
        else
            IntegerTiles<WideProduct<Int8Weights>, Vector128<short>, WideSum>.TwiceTwoVectors(tile);
    }

    public override void MultiplyInt16(IntegerTile* tile)
    {
        if (Sse2.IsSupported)
            IntegerTiles<PairProduct<Int16Weights>, Vector128<short>, Vector128<int>>.TwiceTwoVectors(tile);
        else
            IntegerTiles<WideProduct<Int16Weights>, Vector128<short>, WideSum>.TwiceTwoVectors(tile);
    }

    /// <summary>How weights are stored.</summary>
    internal interface IWeights
    {
        /// <summary>Bytes of eight weights.</summary>
        static abstract int Bytes { get; }

        static abstract Vector128<short> Load(byte* source);
    }

    internal readonly struct Int8Weights : IWeights
    {
        public static int Bytes => Vector64<sbyte>.Count;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector128<short> Load(byte* source)
            => Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(long*)source).AsSByte());
    }

    internal readonly struct Int16Weights : IWeights
    {
        public static int Bytes => Vector128<sbyte>.Count;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector128<short> Load(byte* source) => Vector128.Load((short*)source);
    }

    /// <summary>Products of SSE2.</summary>
    private readonly struct PairProduct<TWeights> : IIntegerProduct<Vector128<short>, Vector128<int>>
        where TWeights : struct, IWeights
    {
        public static int Width => Vector128<int>.Count;

        public static int VectorBytes => TWeights.Bytes;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector128<short> Load(byte* weights) => TWeights.Load(weights);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector128<short> Broadcast(int* step) => Vector128.Create(*step).AsInt16();

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector128<int> Add(Vector128<int> sum, Vector128<short> activations, Vector128<short> weights)
            => sum + Sse2.MultiplyAddAdjacent(activations, weights);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(int* destination, Vector128<int> sum) => sum.Store(destination);
    }

    /// <summary>The sums of four columns: two lanes per column.</summary>
    internal struct WideSum
    {
        public Vector128<int> Lower, Upper;
    }

    /// <summary>Products that are added to two lanes per column.</summary>
    internal readonly struct WideProduct<TWeights> : IIntegerProduct<Vector128<short>, WideSum>
        where TWeights : struct, IWeights
    {
        public static int Width => Vector128<int>.Count;

        public static int VectorBytes => TWeights.Bytes;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector128<short> Load(byte* weights) => TWeights.Load(weights);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector128<short> Broadcast(int* step) => Vector128.Create(*step).AsInt16();

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static WideSum Add(WideSum sum, Vector128<short> activations, Vector128<short> weights)
        {
            if (AdvSimd.IsSupported)
            {
                sum.Lower = AdvSimd.MultiplyWideningLowerAndAdd(sum.Lower, activations.GetLower(), weights.GetLower());
                sum.Upper = AdvSimd.MultiplyWideningUpperAndAdd(sum.Upper, activations, weights);
                return sum;
            }

            sum.Lower += Vector128.WidenLower(activations) * Vector128.WidenLower(weights);
            sum.Upper += Vector128.WidenUpper(activations) * Vector128.WidenUpper(weights);
            return sum;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(int* destination, WideSum sum)
        {
            // The lanes of a column are adjacent.
            destination[0] = sum.Lower.GetElement(0) + sum.Lower.GetElement(1);
            destination[1] = sum.Lower.GetElement(2) + sum.Lower.GetElement(3);
            destination[2] = sum.Upper.GetElement(0) + sum.Upper.GetElement(1);
            destination[3] = sum.Upper.GetElement(2) + sum.Upper.GetElement(3);
        }
    }
}

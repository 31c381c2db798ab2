using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MsResampler.Cpu.Integer;

/// <summary>256-bit dot products of AVX-VNNI, which add four products of bytes or two of 16-bit integers to a lane in
/// one instruction, without saturation.</summary>
internal sealed unsafe class AvxVnniKernel : IntegerKernel
{
    public override string Name => "avx-vnni";

    public override string Variant => "avx2";

    public override bool IsSupported => AvxVnni.IsSupported;

    public override int PanelWidth => 2 * Vector256<int>.Count;

    public override bool HasByteActivations => true;

    public override void MultiplyInt8(IntegerTile* tile)
        => IntegerTiles<Int8Product, Vector256<int>, Vector256<int>>.TwoVectors(tile);

    public override void MultiplyInt16(IntegerTile* tile)
        => IntegerTiles<Int16Product, Vector256<int>, Vector256<int>>.TwoVectors(tile);

    private readonly struct Int8Product : IIntegerProduct<Vector256<int>, Vector256<int>>
    {
        public static int Width => Vector256<int>.Count;

        public static int VectorBytes => Vector256<byte>.Count;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<int> Load(byte* weights) => Vector256.Load((int*)weights);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<int> Broadcast(int* step) => Vector256.Create(*step);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<int> Add(Vector256<int> sum, Vector256<int> activations, Vector256<int> weights)
            => AvxVnni.MultiplyWideningAndAdd(sum, activations.AsByte(), weights.AsSByte());

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(int* destination, Vector256<int> sum) => sum.Store(destination);
    }

    private readonly struct Int16Product : IIntegerProduct<Vector256<int>, Vector256<int>>
    {
        public static int Width => Vector256<int>.Count;

        public static int VectorBytes => Vector256<byte>.Count;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<int> Load(byte* weights) => Vector256.Load((int*)weights);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<int> Broadcast(int* step) => Vector256.Create(*step);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<int> Add(Vector256<int> sum, Vector256<int> activations, Vector256<int> weights)
            => AvxVnni.MultiplyWideningAndAdd(sum, activations.AsInt16(), weights.AsInt16());

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(int* destination, Vector256<int> sum) => sum.Store(destination);
    }
}

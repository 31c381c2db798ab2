using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tiles;

/// <summary>Arithmetic on vectors of four floats.</summary>
internal static class VectorOperations
{
    extension(Float4 vector)
    {
        /// <summary>The sum of the elements.</summary>
        public float Sum() => (vector.X + vector.Y) + (vector.Z + vector.W);

        /// <summary>The first <paramref name="count"/> elements; the others become 0.</summary>
        public Float4 Within(int count) => new(count > 0 ? vector.X : 0, count > 1 ? vector.Y : 0,
            count > 2 ? vector.Z : 0, count > 3 ? vector.W : 0);

        /// <summary>Subtracts a number from each element.</summary>
        public Float4 Less(float number)
            => new(vector.X - number, vector.Y - number, vector.Z - number, vector.W - number);

        /// <summary>The largest magnitude of an element; NaN is ignored.</summary>
        public float Magnitude() => IntrinsicMath.Max(
            IntrinsicMath.Max(IntrinsicMath.Abs(vector.X), IntrinsicMath.Abs(vector.Y)),
            IntrinsicMath.Max(IntrinsicMath.Abs(vector.Z), IntrinsicMath.Abs(vector.W)));

        /// <summary>Keeps elements with a magnitude less than <paramref name="limit"/>. The others become NaN, so
        /// that no result that depends on them is finite.</summary>
        public Float4 Inside(float limit) => new(PtxMath.Inside(vector.X, limit), PtxMath.Inside(vector.Y, limit),
            PtxMath.Inside(vector.Z, limit), PtxMath.Inside(vector.W, limit));

        /// <summary>Whether an element is NaN.</summary>
        public bool HasNaN()
            => vector.X != vector.X | vector.Y != vector.Y | vector.Z != vector.Z | vector.W != vector.W;

        /// <summary>Multiplies each element by <paramref name="factor"/> and subtracts <paramref name="number"/>,
        /// rounding once.</summary>
        public Float4 TimesLess(float factor, float number)
            => new(PtxMath.Fma(vector.X, factor, -number), PtxMath.Fma(vector.Y, factor, -number),
                PtxMath.Fma(vector.Z, factor, -number), PtxMath.Fma(vector.W, factor, -number));

        /// <summary>Adds the elements of two vectors.</summary>
        public Float4 Plus(Float4 other)
            => new(vector.X + other.X, vector.Y + other.Y, vector.Z + other.Z, vector.W + other.W);

        /// <summary>Multiplies each element by <paramref name="factor"/>.</summary>
        public Float4 Times(float factor)
            => new(vector.X * factor, vector.Y * factor, vector.Z * factor, vector.W * factor);

        /// <summary>Adds <paramref name="factor"/>·<paramref name="other"/>, rounding each element once.</summary>
        public Float4 PlusProduct(float factor, Float4 other)
            => new(PtxMath.Fma(factor, other.X, vector.X), PtxMath.Fma(factor, other.Y, vector.Y),
                PtxMath.Fma(factor, other.Z, vector.Z), PtxMath.Fma(factor, other.W, vector.W));

        /// <summary>Adds the products of the elements of <paramref name="a"/> and <paramref name="b"/>, rounding
        /// each once.</summary>
        public Float4 PlusProduct(Float4 a, Float4 b)
            => new(PtxMath.Fma(a.X, b.X, vector.X), PtxMath.Fma(a.Y, b.Y, vector.Y),
                PtxMath.Fma(a.Z, b.Z, vector.Z), PtxMath.Fma(a.W, b.W, vector.W));
    }

    /// <summary><paramref name="sum"/> plus the inner product, added in the order of the elements.</summary>
    public static float Dot(Float4 a, Float4 b, float sum)
        => PtxMath.Fma(a.W, b.W, PtxMath.Fma(a.Z, b.Z, PtxMath.Fma(a.Y, b.Y, PtxMath.Fma(a.X, b.X, sum))));
}

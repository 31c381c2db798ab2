using System.Runtime.InteropServices;
using MsResampler.Kernels.Gemm;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Tensor-core products of random matrices, compared with loops in double precision over the rounded
/// inputs.</summary>
internal static class GemmMmaCheck
{
    /// <summary>The sums of squares of a row in <see cref="Count"/>.</summary>
    public const int CountedSquares = 3;

    /// <summary>Squares of rows and a table of three rows, by default for all columns.</summary>
    public static GemmMmaScales ScalesFor(GemmMmaSize size, int squareCount, int? tableVectors = null)
    {
        const int TableRows = 3;
        int vectors = tableVectors ?? (size.Columns + 3) / 4;
        float[] table = new float[TableRows * vectors * 4];
        for (int row = 0; row < TableRows; row++)
        {
            Values.Normal(Math.Min(size.Columns, vectors * 4), 4 + row).CopyTo(table.AsSpan(row * vectors * 4));
        }

        return new GemmMmaScales
        {
            Squares = [.. Values.Normal(squareCount * size.Rows, 7).Select(value => 32 * value * value)],
            Count = squareCount,
            Width = Math.Max((32 * squareCount) - 5, 1),
            // ε is significant in some rows.
            Units = [.. Enumerable.Range(0, size.Rows).Select(row => MathF.ScaleB(1, row % 5 * 4))],
            Table = table,
            TableVectors = vectors,
            TableStarts = [.. Enumerable.Range(0, size.Rows).Select(row => row * 5 % TableRows * vectors)],
        };
    }

    /// <summary>Runs products of random matrices and compares them with loops.</summary>
    /// <param name="types">The types.</param>
    /// <param name="shape">The shape of the tile.</param>
    /// <param name="size">The extents.</param>
    /// <param name="finish">The epilogue.</param>
    /// <param name="scales">The inputs of a scaled epilogue; null for another one.</param>
    /// <param name="run">How the products are stored and launched.</param>
    public static GemmMmaResult Run(GemmMmaCase types, GemmShape shape, GemmMmaSize size,
        GemmMmaFinish finish = GemmMmaFinish.Linear, GemmMmaScales? scales = null, GemmMmaRun? run = null)
    {
        run ??= new GemmMmaRun();
        (float[] a, float[] w, float[] bias) = OperandsFor(size, run.Layout);

        GemmMmaResult result = types.Run(shape, a, w, bias, size, finish, scales, run);

        double roundings = run.Arithmetic.TruncatesMatrixSums
            ? TruncatedRoundings(size.Inner, types.GroupElements(shape.Family)) : size.Inner;
        double[] roundedA = [.. a.Select(value => (double)types.Round(value))];
        double[] roundedW = [.. w.Select(value => (double)types.Round(value))];
        double worst = 0;
        double[] squares = new double[result.Squares.Length];
        double[] squareErrors = new double[result.Squares.Length];
        for (int index = 0; index < result.C.Length; index++)
        {
            int column = index % size.Columns;
            int row = index / size.Columns;
            int product = row / size.Rows;
            (double sum, double magnitude) = Dot(roundedA.AsSpan(row * size.Inner, size.Inner),
                roundedW.AsSpan(((product * size.Columns) + column) * size.Inner, size.Inner));
            (double scale, double addend) = Extra(scales, size, row % size.Rows, column);
            double constant = bias[(product * size.Columns) + column];
            double value = (scale * sum) + constant + addend;
            double expected = finish == GemmMmaFinish.Gelu ? Gelu(value) : value;
            double single = SingleError(roundings, scale * magnitude, Math.Abs(constant) + Math.Abs(addend),
                scales?.Count ?? 0, finish == GemmMmaFinish.Gelu ? Math.Abs(value) : 0);
            // The smallest values of C's type are 2⁻²⁴ apart.
            double tolerance = single + (types.OutputRoundoff * (Math.Abs(expected) + single)) + Math.ScaleB(1, -25);
            worst = Math.Max(worst, Math.Abs(result.C[index] - expected) / tolerance);
            if (finish == GemmMmaFinish.Squares)
            {
                // A lane adds eight squares, and the sums of four lanes take two more additions.
                int place = (column / 32 * size.Rows) + row;
                squares[place] += value * value;
                squareErrors[place] += (2 * Math.Abs(value) * single) + (single * single)
                    + (10 * Math.ScaleB(1, -24) * (Math.Abs(value) + single) * (Math.Abs(value) + single));
            }
        }

        for (int index = 0; index < squares.Length; index++)
            worst = Math.Max(worst, Math.Abs(result.Squares[index] - squares[index]) / squareErrors[index]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(worst, Is.InRange(0d, 1d), "the largest error relative to the allowed error");
            Assert.That(result.IsPaddingKept, "padding between rows of C");
            Assert.That(result.Noted, Is.EqualTo(GemmMmaResult.NoRow));
            Assert.That(squares, Has.Length.EqualTo(finish == GemmMmaFinish.Squares
                ? (size.Columns + 31) / 32 * size.Rows : 0));
        }

        return result;
    }

    /// <summary>The counters of products. A scaled epilogue has <see cref="CountedSquares"/> sums of squares and a
    /// table for all columns, whose rows start at sectors.</summary>
    public static LaunchReport Count(GemmMmaCase types, GemmShape shape, GemmMmaSize size, GemmMmaFinish finish,
        GemmMmaRun run)
    {
        int vectors = (size.Columns + 3) / 4;
        int tableStride = (vectors + 1) / 2 * 2;
        GemmMmaScales? scales = finish != GemmMmaFinish.Scaled ? null : new GemmMmaScales
        {
            Squares = [.. Enumerable.Repeat(32f, CountedSquares * size.Rows)],
            Count = CountedSquares,
            Width = 32 * CountedSquares,
            Table = new float[4 * tableStride * size.Rows],
            TableVectors = vectors,
            TableStarts = [.. Enumerable.Range(0, size.Rows).Select(row => row * tableStride)],
        };
        (float[] a, float[] w, float[] bias) = OperandsFor(size);
        return types.Run(shape, a, w, bias, size, finish, scales, run).Report;
    }

    /// <summary>Checks that values have the same bits, also those of zeros and NaN.</summary>
    public static void AssertSameBits(float[] found, float[] expected, string name)
    {
        ReadOnlySpan<uint> bits = MemoryMarshal.Cast<float, uint>(found);
        ReadOnlySpan<uint> expectedBits = MemoryMarshal.Cast<float, uint>(expected);
        int same = bits.CommonPrefixLength(expectedBits);
        if (same < found.Length || found.Length != expected.Length)
        {
            Assert.Fail($"{name}: of {expected.Length} elements, expected {same} to be " +
                $"{expected.ElementAtOrDefault(same)}, found {found.ElementAtOrDefault(same)}");
        }
    }

    /// <summary>Random A, W and bias.</summary>
    public static (float[] A, float[] W, float[] Bias) OperandsFor(GemmMmaSize size,
        GemmMmaLayout layout = GemmMmaLayout.Consecutive)
    {
        float[] w = Values.Normal(size.Products * size.Columns * size.Inner, 2);
        for (int product = 1; product < size.Products && layout.HasFlag(GemmMmaLayout.SharedW); product++)
            w.AsSpan(0, size.Columns * size.Inner).CopyTo(w.AsSpan(product * size.Columns * size.Inner));
        return (Values.Normal(size.Products * size.Rows * size.Inner, 1), w,
            Values.Normal(size.Products * size.Columns, 3));
    }

    /// <summary>The sum of the products of two rows, and of their magnitudes.</summary>
    private static (double Sum, double Magnitude) Dot(ReadOnlySpan<double> left, ReadOnlySpan<double> right)
    {
        double sum = 0;
        double magnitude = 0;
        for (int k = 0; k < left.Length; k++)
        {
            double term = left[k] * right[k];
            sum += term;
            magnitude += Math.Abs(term);
        }

        return (sum, magnitude);
    }

    /// <summary>The scale of a row, and the table's addend to an element.</summary>
    private static (double Scale, double Addend) Extra(GemmMmaScales? scales, GemmMmaSize size, int row, int column)
    {
        if (scales is null)
            return (1, 0);
        double sum = 0;
        for (int index = 0; index < scales.Count; index++)
            sum += scales.Squares[(index * size.Rows) + row];
        return (scales.Count == 0 ? 1 : 1 / Math.Sqrt((sum / scales.Width)
            + (scales.Epsilon * scales.Units[row] * scales.Units[row])),
            column < 4 * scales.TableVectors ? scales.Table[(4 * scales.TableStarts[row]) + column] : 0);
    }

    /// <summary>What truncated sums lose, in roundings to nearest of the sum of the magnitudes. A group of products and
    /// the sum so far are cut below 2⁻²⁴ of the largest of them, and the result is rounded toward zero, which is two
    /// roundings.</summary>
    private static double TruncatedRoundings(int inner, int group) => (inner + group - 1) / group * (group + 3);

    /// <summary>The allowed error of an element before it is rounded to C's type. Each addition (of the inner
    /// dimension, the bias and the table) rounds a partial sum, which is at most the sum of the magnitudes, by u =
    /// 2⁻²⁴. Adding squares, dividing, and adding ε, the square of its rounded root, rounds count + 4 times; the root
    /// halves that error and is itself within 2⁻²². The slope of GELU is at most 1.13, and its own error is near 2⁻²²
    /// of its argument; 2⁻²⁰ is allowed.</summary>
    private static double SingleError(double roundings, double product, double constants, int squareCount,
        double argument)
    {
        double scaled = squareCount == 0 ? 0
            : ((0.5 * (squareCount + 4) * Math.ScaleB(1, -24)) + Math.ScaleB(1, -22)) * product;
        return (1.13 * (roundings + 2) * Math.ScaleB(1, -24) * (product + constants)) + scaled
            + (Math.ScaleB(1, -20) * argument);
    }

    private static double Gelu(double x) => 0.5 * x * MathNet.Numerics.SpecialFunctions.Erfc(-x / Math.Sqrt(2));
}

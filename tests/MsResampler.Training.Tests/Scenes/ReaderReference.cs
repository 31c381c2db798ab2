using MsResampler.Scenes;

namespace MsResampler.Training.Tests.Scenes;

/// <summary>The reader in double precision, written from its description with plain loops.</summary>
internal sealed class ReaderReference(IReadOnlyDictionary<string, double[]> weights, int tokenCount, int tokenSize)
{
    private const int Width = 64;
    private const int HeadCount = 4;

    /// <summary>The mean cross-entropy of the right answers.</summary>
    public double Loss(double[] tokens, Question[] questions)
    {
        int sceneCount = tokens.Length / (tokenCount * tokenSize);
        return questions.Select((question, index)
            => Loss(tokens.AsSpan(index * sceneCount / questions.Length * tokenCount * tokenSize,
                tokenCount * tokenSize), question)).Average();
    }

    /// <summary>The scores of all answers.</summary>
    public double[] Scores(ReadOnlySpan<double> tokens, Question question)
    {
        double[][] inputs = [.. Rows(tokens).Select((row, index)
            => Add(Normalise(row), weights["reader.positions"].AsSpan(index * tokenSize, tokenSize)))];
        double[][] keys = [.. inputs.Select(input => Linear("key", input))];
        double[][] values = [.. inputs.Select(input => Linear("value", input))];
        double[] code = Code(question, isFirst: true);
        double[] first = Look(code, keys, values);
        double[] second = Look(Code(question, isFirst: false), keys, values);
        double[] read = [.. first, .. second, .. first.Zip(second, (left, right) => left * right), .. code];
        return Linear("answer", Silu(Linear("hidden2", Silu(Linear("hidden1", read)))));
    }

    private double[] Look(double[] code, double[][] keys, double[][] values)
    {
        double[] query = Linear("query", Silu(Linear("hidden0", code)));
        double[] read = new double[Width];
        int headSize = Width / HeadCount;
        for (int head = 0; head < HeadCount; head++)
        {
            double[] logits = new double[tokenCount];
            for (int token = 0; token < tokenCount; token++)
            {
                for (int channel = head * headSize; channel < (head + 1) * headSize; channel++)
                    logits[token] += query[channel] * keys[token][channel] / Math.Sqrt(headSize);
            }

            double sum = logits.Sum(Math.Exp);
            for (int token = 0; token < tokenCount; token++)
            {
                for (int channel = head * headSize; channel < (head + 1) * headSize; channel++)
                    read[channel] += Math.Exp(logits[token]) / sum * values[token][channel];
            }
        }

        return read;
    }

    private double Loss(ReadOnlySpan<double> tokens, Question question)
    {
        // Where the answers of each kind start: 10 classes, 4 counts, 10 classes, 2 and 2.
        int first = new[] { 0, 10, 14, 24, 26 }[(int)question.Task];
        double[] scores = Scores(tokens, question)[first..(first + new[] { 10, 4, 10, 2, 2 }[(int)question.Task])];
        return Math.Log(scores.Sum(Math.Exp)) - scores[question.Answer];
    }

    private double[] Code(Question question, bool isFirst)
    {
        // 5 kinds, 4 rows and 4 columns of a cell, 4 quadrants, 10 classes.
        List<int> rows = [(int)question.Task];
        int cell = isFirst ? question.Cell : question.OtherCell;
        if (cell >= 0)
            rows.AddRange([5 + (cell / 4), 9 + (cell % 4)]);
        if (isFirst && question.Quadrant >= 0)
            rows.Add(13 + question.Quadrant);
        if (isFirst && question.Class >= 0)
            rows.Add(17 + question.Class);
        double[] sum = new double[Width];
        foreach (int row in rows)
            sum = Add(sum, weights["reader.codes"].AsSpan(row * Width, Width));
        return sum;
    }

    private double[] Linear(string name, double[] x)
    {
        double[] weight = weights[$"reader.{name}.weight"];
        return [.. weights[$"reader.{name}.bias"].Select((bias, row)
            => bias + x.Select((value, column) => value * weight[(row * x.Length) + column]).Sum())];
    }

    private List<double[]> Rows(ReadOnlySpan<double> tokens)
    {
        List<double[]> rows = [];
        for (int token = 0; token < tokenCount; token++)
            rows.Add(tokens.Slice(token * tokenSize, tokenSize).ToArray());
        return rows;
    }

    private static double[] Normalise(double[] row)
    {
        double mean = row.Average();
        double variance = row.Average(value => (value - mean) * (value - mean));
        return [.. row.Select(value => (value - mean) / Math.Sqrt(variance + 1e-6))];
    }

    private static double[] Silu(double[] values) => [.. values.Select(value => value / (1 + Math.Exp(-value)))];

    private static double[] Add(double[] left, ReadOnlySpan<double> right)
    {
        double[] sum = [.. left];
        for (int index = 0; index < sum.Length; index++)
            sum[index] += right[index];
        return sum;
    }
}

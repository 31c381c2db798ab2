using System.Numerics.Tensors;
using MsResampler.Cpu;
using MsResampler.Training;

namespace MsResampler.Scenes;

/// <summary>A small network that answers questions about a scene from its visual tokens. A question looks at the tokens
/// twice, for its first and its second cell; a perceptron of two hidden layers answers.</summary>
/// <remarks>With tokens T [M, L] of a scene and two codes u₁, u₂ of a question, sums of learned vectors for its fields:
/// <code>
/// X = normalise(T) + position            each token to mean 0 and variance 1; a learned vector per token
/// qᵢ = Wq·silu(W0·uᵢ + b0) + bq          four heads
/// oᵢ = softmax(qᵢ·(Wk·X + bk)/√d)·(Wv·X + bv)
/// answer = W3·silu(W2·silu(W1·[o₁, o₂, o₁⊙o₂, u₁] + b1) + b2) + b3
/// </code>
/// Both codes have the vector of the kind; u₁ has those of the first cell, the quadrant and the class, u₂ those of the
/// second cell. The product of the two looks makes a comparison of cells learnable in few steps.
/// Single precision on the calling thread; sums have a fixed order.</remarks>
internal sealed class Reader
{
    /// <summary>Width of questions, heads together.</summary>
    public const int Width = 64;

    public const int HeadCount = 4;

    /// <summary>How often a question looks at the tokens.</summary>
    public const int LookCount = 2;

    /// <summary>The width of what the perceptron gets.</summary>
    public const int ReadWidth = 4 * Width;

    private const int HeadSize = Width / HeadCount;
    private const int HiddenWidth = ReaderMemory.HiddenWidth;
    private const float Epsilon = 1e-6f;

    // Rows of the table of codes: where the vectors of each field start.
    private const int CellRowCode = Question.TaskCount;
    private const int CellColumnCode = CellRowCode + SceneLayout.CellsPerSide;
    private const int QuadrantCode = CellColumnCode + SceneLayout.CellsPerSide;
    private const int ClassCode = QuadrantCode + SceneLayout.QuadrantCount;
    private const int CodeCount = ClassCode + GarmentSet.ClassCount;

    private readonly int _tokenCount;
    private readonly int _tokenSize;
    private readonly TrainableTensor _positions;
    private readonly TrainableTensor _codes;
    private readonly DenseLayer _key;
    private readonly DenseLayer _value;
    private readonly DenseLayer _hidden0;
    private readonly DenseLayer _query;
    private readonly DenseLayer _hidden1;
    private readonly DenseLayer _hidden2;
    private readonly DenseLayer _answer;
    private ReaderMemory _memory = new(0, 0, 0, 0);
    private Question[] _questions = [];

    /// <summary>Creates a reader with random weights.</summary>
    /// <param name="tokenCount">M.</param>
    /// <param name="tokenSize">L.</param>
    /// <param name="seed">The seed of the weights.</param>
    public Reader(int tokenCount, int tokenSize, ulong seed)
    {
        (_tokenCount, _tokenSize) = (tokenCount, tokenSize);
        ProductRunner products = ProductRunner.Create();
        _positions = new TrainableTensor("reader.positions", [tokenCount, tokenSize],
            DenseLayer.RandomValues("reader.positions", tokenCount * tokenSize, 1, seed));
        _codes = new TrainableTensor("reader.codes", [CodeCount, Width],
            DenseLayer.RandomValues("reader.codes", CodeCount * Width, 0.5f, seed));
        _key = Layer("key", tokenSize, Width);
        _value = Layer("value", tokenSize, Width);
        _hidden0 = Layer("hidden0", Width, Width);
        _query = Layer("query", Width, Width);
        _hidden1 = Layer("hidden1", ReadWidth, HiddenWidth);
        _hidden2 = Layer("hidden2", HiddenWidth, HiddenWidth);
        _answer = Layer("answer", HiddenWidth, AnswerCount);
        Tensors = [_positions, _codes, .. new[] { _key, _value, _hidden0, _query, _hidden1, _hidden2, _answer }
            .SelectMany(layer => layer.Tensors)];

        DenseLayer Layer(string name, int inputWidth, int outputWidth)
            => new($"reader.{name}", inputWidth, outputWidth, seed, products);
    }

    /// <summary>The answers of all kinds of questions together.</summary>
    public static int AnswerCount { get; } = Question.FirstAnswer((QuestionTask)Question.TaskCount);

    /// <summary>The parameters.</summary>
    public IReadOnlyList<TrainableTensor> Tensors { get; }

    /// <summary>The scores of the answers to the last questions, [questions, <see cref="AnswerCount"/>]. Only those of
    /// the question's own kind have a meaning.</summary>
    public ReadOnlySpan<float> Scores => _memory.Scores.Span[..(_questions.Length * AnswerCount)];

    /// <summary>What the last questions attended to: the weights of the tokens,
    /// [questions, <see cref="LookCount"/>, <see cref="HeadCount"/>, M].</summary>
    public ReadOnlySpan<float> TokenWeights
        => _memory.Weights.Span[..(_questions.Length * LookCount * HeadCount * _tokenCount)];

    /// <summary>Computes the scores of answers.</summary>
    /// <param name="tokens">The tokens of scenes, [scenes, M, L] row-major.</param>
    /// <param name="questions">The questions: the same number for each scene, scene by scene.</param>
    public void Ask(ReadOnlySpan<float> tokens, Question[] questions)
    {
        int sceneCount = tokens.Length / (_tokenCount * _tokenSize);
        if (sceneCount == 0 || tokens.Length % (_tokenCount * _tokenSize) != 0 || questions.Length % sceneCount != 0)
            throw new ArgumentException($"{tokens.Length} values of tokens, {questions.Length} questions: expected " +
                $"scenes of {_tokenCount}×{_tokenSize} values with the same number of questions each");
        _questions = questions;
        int count = questions.Length;
        if (_memory.SceneCount < sceneCount || _memory.QuestionCount < count)
            _memory = new ReaderMemory(sceneCount, count, _tokenCount, _tokenSize);
        ReaderMemory memory = _memory;
        Normalise(tokens, sceneCount);
        _key.Forward(memory.Inputs, sceneCount * _tokenCount, memory.Keys);
        _value.Forward(memory.Inputs, sceneCount * _tokenCount, memory.Values);
        for (int look = 0; look < count * LookCount; look++)
            AddCodes(look);
        _hidden0.Forward(memory.Codes, count * LookCount, memory.Sums0);
        Silu.Forward(memory.Sums0, memory.Hidden0, count * LookCount * Width);
        _query.Forward(memory.Hidden0, count * LookCount, memory.Queries);
        Attend(sceneCount);
        for (int question = 0; question < count; question++)
            Join(question);
        _hidden1.Forward(memory.Read, count, memory.Sums1);
        Silu.Forward(memory.Sums1, memory.Hidden1, count * HiddenWidth);
        _hidden2.Forward(memory.Hidden1, count, memory.Sums2);
        Silu.Forward(memory.Sums2, memory.Hidden2, count * HiddenWidth);
        _answer.Forward(memory.Hidden2, count, memory.Scores);
    }

    /// <summary>The answer with the highest score to one of the last questions.</summary>
    public int BestAnswer(int question)
        => TensorPrimitives.IndexOfMax(Scores.Slice((question * AnswerCount)
            + Question.FirstAnswer(_questions[question].Task), Question.AnswerCount(_questions[question].Task)));

    /// <summary>The mean cross-entropy of the right answers to the last questions, in nats. Adds its gradients to
    /// those of the parameters.</summary>
    /// <param name="tokenGradients">Receives the gradient with respect to the tokens, [scenes, M, L].</param>
    public double Backward(Span<float> tokenGradients)
    {
        ReaderMemory memory = _memory;
        int count = _questions.Length;
        int sceneCount = tokenGradients.Length / (_tokenCount * _tokenSize);
        double loss = CrossEntropy(memory.Scores.Span, memory.ScoreGradients.Span[..(count * AnswerCount)]);
        _answer.Backward(memory.ScoreGradients, memory.Hidden2, count, memory.HiddenGradients);
        Silu.Backward(memory.Sums2, memory.HiddenGradients, count * HiddenWidth);
        _hidden2.Backward(memory.HiddenGradients, memory.Hidden1, count, memory.MoreHiddenGradients);
        Silu.Backward(memory.Sums1, memory.MoreHiddenGradients, count * HiddenWidth);
        _hidden1.Backward(memory.MoreHiddenGradients, memory.Read, count, memory.ReadGradients);
        for (int question = 0; question < count; question++)
            JoinBackward(question);
        AttendBackward(sceneCount);
        _query.Backward(memory.QueryGradients, memory.Hidden0, count * LookCount, memory.Hidden0Gradients);
        Silu.Backward(memory.Sums0, memory.Hidden0Gradients, count * LookCount * Width);
        _hidden0.Backward(memory.Hidden0Gradients, memory.Codes, count * LookCount, memory.CodeGradients);
        for (int look = 0; look < count * LookCount; look++)
        {
            Span<float> gradient = memory.CodeGradients.Span.Slice(look * Width, Width);
            // The first code is an input of the perceptron too.
            if (look % LookCount == 0)
                TensorPrimitives.Add(gradient, Part(memory.ReadGradients, look / LookCount, 3), gradient);
            foreach (int code in CodesOf(look))
            {
                Span<float> target = _codes.Gradient.Slice(code * Width, Width);
                TensorPrimitives.Add(target, gradient, target);
            }
        }

        _key.Backward(memory.KeyGradients, memory.Inputs, sceneCount * _tokenCount, memory.InputGradients);
        _value.Backward(memory.ValueGradients, memory.Inputs, sceneCount * _tokenCount, memory.InputGradients,
            adds: true);
        NormaliseBackward(tokenGradients, sceneCount);
        return loss;
    }

    private IEnumerable<int> CodesOf(int look)
    {
        Question question = _questions[look / LookCount];
        bool isFirst = look % LookCount == 0;
        yield return (int)question.Task;
        int cell = isFirst ? question.Cell : question.OtherCell;
        if (cell >= 0)
        {
            yield return CellRowCode + (cell / SceneLayout.CellsPerSide);
            yield return CellColumnCode + (cell % SceneLayout.CellsPerSide);
        }

        if (isFirst && question.Quadrant >= 0)
            yield return QuadrantCode + question.Quadrant;
        if (isFirst && question.Class >= 0)
            yield return ClassCode + question.Class;
    }

    private void AddCodes(int look)
    {
        Span<float> sum = _memory.Codes.Span.Slice(look * Width, Width);
        sum.Clear();
        foreach (int code in CodesOf(look))
            TensorPrimitives.Add(sum, _codes.Values.Slice(code * Width, Width), sum);
    }

    private void Join(int question)
    {
        TensorPrimitives.Multiply(Part(_memory.Read, question, 0), Part(_memory.Read, question, 1),
            Part(_memory.Read, question, 2));
        _memory.Codes.Span.Slice(question * LookCount * Width, Width).CopyTo(Part(_memory.Read, question, 3));
    }

    private void JoinBackward(int question)
    {
        ReadOnlySpan<float> product = Part(_memory.ReadGradients, question, 2);
        for (int look = 0; look < LookCount; look++)
        {
            Span<float> gradient = Part(_memory.ReadGradients, question, look);
            TensorPrimitives.MultiplyAdd(product, Part(_memory.Read, question, 1 - look), gradient, gradient);
        }
    }

    private void Normalise(ReadOnlySpan<float> tokens, int sceneCount)
    {
        for (int token = 0; token < sceneCount * _tokenCount; token++)
        {
            ReadOnlySpan<float> source = tokens.Slice(token * _tokenSize, _tokenSize);
            Span<float> normal = _memory.Normal.Span.Slice(token * _tokenSize, _tokenSize);
            float mean = TensorPrimitives.Sum(source) / _tokenSize;
            TensorPrimitives.Subtract(source, mean, normal);
            float scale = 1 / MathF.Sqrt((TensorPrimitives.SumOfSquares<float>(normal) / _tokenSize) + Epsilon);
            TensorPrimitives.Multiply(normal, scale, normal);
            _memory.Scales.Span[token] = scale;
            TensorPrimitives.Add(normal, _positions.Values.Slice(token % _tokenCount * _tokenSize, _tokenSize),
                _memory.Inputs.Span.Slice(token * _tokenSize, _tokenSize));
        }
    }

    private void NormaliseBackward(Span<float> tokenGradients, int sceneCount)
    {
        for (int token = 0; token < sceneCount * _tokenCount; token++)
        {
            ReadOnlySpan<float> normal = _memory.Normal.Span.Slice(token * _tokenSize, _tokenSize);
            ReadOnlySpan<float> gradient = _memory.InputGradients.Span.Slice(token * _tokenSize, _tokenSize);
            Span<float> position = _positions.Gradient.Slice(token % _tokenCount * _tokenSize, _tokenSize);
            TensorPrimitives.Add(position, gradient, position);
            Span<float> target = tokenGradients.Slice(token * _tokenSize, _tokenSize);
            float mean = TensorPrimitives.Sum(gradient) / _tokenSize;
            float slope = TensorPrimitives.Dot(gradient, normal) / _tokenSize;
            TensorPrimitives.Subtract(gradient, mean, target);
            TensorPrimitives.MultiplyAdd(normal, -slope, target, target);
            TensorPrimitives.Multiply(target, _memory.Scales.Span[token], target);
        }
    }

    private void Attend(int sceneCount)
    {
        int perScene = _questions.Length * LookCount / sceneCount;
        float scale = 1 / MathF.Sqrt(HeadSize);
        for (int look = 0; look < _questions.Length * LookCount; look++)
        {
            int firstToken = look / perScene * _tokenCount;
            for (int head = 0; head < HeadCount; head++)
            {
                ReadOnlySpan<float> query = Head(_memory.Queries, look, head);
                Span<float> weights = WeightsOf(look, head);
                for (int token = 0; token < _tokenCount; token++)
                    weights[token] = scale * TensorPrimitives.Dot(query, Head(_memory.Keys, firstToken + token,
                        head));
                TensorPrimitives.SoftMax(weights, weights);
                Span<float> read = ReadOf(_memory.Read, look, head);
                read.Clear();
                for (int token = 0; token < _tokenCount; token++)
                    TensorPrimitives.MultiplyAdd(Head(_memory.Values, firstToken + token, head), weights[token],
                        read, read);
            }
        }
    }

    private void AttendBackward(int sceneCount)
    {
        int perScene = _questions.Length * LookCount / sceneCount;
        float scale = 1 / MathF.Sqrt(HeadSize);
        _memory.KeyGradients.Span.Clear();
        _memory.ValueGradients.Span.Clear();
        Span<float> slopes = stackalloc float[_tokenCount];
        for (int look = 0; look < _questions.Length * LookCount; look++)
        {
            int firstToken = look / perScene * _tokenCount;
            for (int head = 0; head < HeadCount; head++)
            {
                ReadOnlySpan<float> weights = WeightsOf(look, head);
                ReadOnlySpan<float> read = ReadOf(_memory.ReadGradients, look, head);
                for (int token = 0; token < _tokenCount; token++)
                {
                    slopes[token] = TensorPrimitives.Dot(read, Head(_memory.Values, firstToken + token, head));
                    Span<float> value = Head(_memory.ValueGradients, firstToken + token, head);
                    TensorPrimitives.MultiplyAdd(read, weights[token], value, value);
                }

                float mean = TensorPrimitives.Dot(slopes, weights);
                ReadOnlySpan<float> query = Head(_memory.Queries, look, head);
                Span<float> queryGradient = Head(_memory.QueryGradients, look, head);
                queryGradient.Clear();
                for (int token = 0; token < _tokenCount; token++)
                {
                    float slope = scale * weights[token] * (slopes[token] - mean);
                    TensorPrimitives.MultiplyAdd(Head(_memory.Keys, firstToken + token, head), slope,
                        queryGradient, queryGradient);
                    Span<float> key = Head(_memory.KeyGradients, firstToken + token, head);
                    TensorPrimitives.MultiplyAdd(query, slope, key, key);
                }
            }
        }
    }

    private double CrossEntropy(ReadOnlySpan<float> scores, Span<float> gradients)
    {
        gradients.Clear();
        double loss = 0;
        for (int question = 0; question < _questions.Length; question++)
        {
            (int first, int length) = (Question.FirstAnswer(_questions[question].Task),
                Question.AnswerCount(_questions[question].Task));
            Span<float> own = gradients.Slice((question * AnswerCount) + first, length);
            TensorPrimitives.SoftMax(scores.Slice((question * AnswerCount) + first, length), own);
            // The logarithm of the softmax would be −∞ if the probability underflowed.
            loss -= Math.Log(Math.Max(own[_questions[question].Answer], 1e-37f));
            own[_questions[question].Answer] -= 1;
            TensorPrimitives.Divide(own, _questions.Length, own);
        }

        return loss / _questions.Length;
    }

    private static Span<float> Head(AlignedBuffer rows, int row, int head)
        => rows.Span.Slice((row * Width) + (head * HeadSize), HeadSize);

    // A part of what the perceptron gets: 0 and 1 are the looks, 2 their product, 3 the code.
    private static Span<float> Part(AlignedBuffer rows, int question, int part)
        => rows.Span.Slice((question * ReadWidth) + (part * Width), Width);

    private static Span<float> ReadOf(AlignedBuffer rows, int look, int head)
        => Part(rows, look / LookCount, look % LookCount).Slice(head * HeadSize, HeadSize);

    private Span<float> WeightsOf(int look, int head)
        => _memory.Weights.Span.Slice(((look * HeadCount) + head) * _tokenCount, _tokenCount);
}

using MsResampler.Scenes;

namespace MsResampler.Training.Tests.Scenes;

/// <summary>The reader and its gradients.</summary>
internal sealed class ReaderTests
{
    private const int TokenCount = 6;
    private const int TokenSize = 20;
    private const int SceneCount = 3;

    private static readonly GarmentSet s_garments = SyntheticGarments.Create();

    private static float[] Tokens(ulong seed)
    {
        SceneRandom random = new(seed, 0, 0);
        return [.. Enumerable.Range(0, SceneCount * TokenCount * TokenSize)
            .Select(_ => (2 * random.Normal()) + 0.3f)];
    }

    private static Question[] Questions()
        => [.. Enumerable.Range(0, SceneCount).SelectMany(index => Question.Draw(new Scene(s_garments, 4, index), 2))];

    private static Dictionary<string, double[]> Weights(Reader reader)
        => reader.Tensors.ToDictionary(tensor => tensor.Name,
            tensor => tensor.Values.ToArray().Select(value => (double)value).ToArray());

    // Central differences in double precision, with the error of order h² removed by a second step size. Each tensor is
    // compared along random directions, which sees every element.
    private static double Slope(Func<double, double> loss)
    {
        const double Step = 1e-3;
        double wide = (loss(2 * Step) - loss(-2 * Step)) / (4 * Step);
        double narrow = (loss(Step) - loss(-Step)) / (2 * Step);
        return ((4 * narrow) - wide) / 3;
    }

    [Test]
    public void Gradients_agree_with_central_differences_of_a_double_precision_reader([Values(1UL, 2UL)] ulong seed)
    {
        Reader reader = new(TokenCount, TokenSize, seed);
        Question[] questions = Questions();
        float[] tokens = Tokens(seed);
        float[] tokenGradients = new float[tokens.Length];
        reader.Ask(tokens, questions);
        double loss = reader.Backward(tokenGradients);

        double[] exact = [.. tokens.Select(value => (double)value)];
        Dictionary<string, double[]> weights = Weights(reader);
        // Sums of at most 128 terms, a few layers deep: errors of 1e-6 in float32.
        Assert.That(loss, Is.EqualTo(new ReaderReference(weights, TokenCount, TokenSize).Loss(exact, questions))
            .Within(1e-5));
        SceneRandom random = new(seed, 1, 1);
        foreach (TrainableTensor tensor in reader.Tensors)
            AssertSlopes(tensor.Name, weights[tensor.Name], tensor.Gradient.ToArray(), ref random,
                moved => new ReaderReference(new Dictionary<string, double[]>(weights) { [tensor.Name] = moved },
                    TokenCount, TokenSize).Loss(exact, questions));
        AssertSlopes("tokens", exact, tokenGradients, ref random,
            moved => new ReaderReference(weights, TokenCount, TokenSize).Loss(moved, questions));
    }

    private static void AssertSlopes(string name, double[] values, float[] gradient, ref SceneRandom random,
        Func<double[], double> loss)
    {
        double norm = Math.Sqrt(gradient.Sum(value => (double)value * value));
        for (int trial = 0; trial < 2; trial++)
        {
            double[] direction = new double[values.Length];
            for (int index = 0; index < direction.Length; index++)
                direction[index] = random.Normal();
            double length = Math.Sqrt(direction.Sum(value => value * value));
            direction = [.. direction.Select(value => value / length)];
            double expected = Slope(step
                => loss([.. values.Select((value, index) => value + (step * direction[index]))]));
            double found = gradient.Select((value, index) => value * direction[index]).Sum();
            // A relative error of 1e-5 of the gradient; 1e-8 for the bias of keys, which cannot change a softmax.
            Assert.That(found, Is.EqualTo(expected).Within((1e-5 * norm) + 1e-8), name);
        }
    }

    [Test]
    public void Gradients_are_added()
    {
        Reader reader = new(TokenCount, TokenSize, seed: 3);
        float[] tokens = Tokens(3);
        float[] tokenGradients = new float[tokens.Length];
        reader.Ask(tokens, Questions());
        reader.Backward(tokenGradients);
        float[] once = reader.Tensors[0].Gradient.ToArray();
        reader.Ask(tokens, Questions());
        reader.Backward(tokenGradients);
        // The order of sums differs between the two calls by the start value alone.
        Assert.That(reader.Tensors[0].Gradient.ToArray(), Is.EqualTo(once.Select(value => 2 * value)).Within(1e-6));
    }

    [Test]
    public void A_reader_learns_answers_by_heart()
    {
        Reader reader = new(TokenCount, TokenSize, seed: 5);
        Question[] questions = Questions();
        float[] tokens = Tokens(5);
        float[] tokenGradients = new float[tokens.Length];
        AdamW optimiser = new(reader.Tensors);
        for (int step = 0; step < 200; step++)
        {
            foreach (TrainableTensor tensor in reader.Tensors)
                tensor.Gradient.Clear();
            reader.Ask(tokens, questions);
            reader.Backward(tokenGradients);
            optimiser.Step(3e-3);
        }

        reader.Ask(tokens, questions);
        Assert.That(questions.Select((_, index) => reader.BestAnswer(index)),
            Is.EqualTo(questions.Select(question => question.Answer)));
    }

    [Test]
    public void Answers_to_a_scene_do_not_depend_on_the_scenes_beside_it()
    {
        Reader reader = new(TokenCount, TokenSize, seed: 3);
        Question[] questions = Questions();
        float[] tokens = Tokens(3);
        reader.Ask(tokens, questions);
        float[] scores = reader.Scores.ToArray();
        int perScene = questions.Length / SceneCount;
        reader.Ask(tokens.AsSpan(TokenCount * TokenSize, TokenCount * TokenSize), questions[perScene..(2 * perScene)]);
        Assert.That(reader.Scores.ToArray(), Is.EqualTo(scores.AsSpan(perScene * Reader.AnswerCount,
            perScene * Reader.AnswerCount).ToArray()));
    }
}

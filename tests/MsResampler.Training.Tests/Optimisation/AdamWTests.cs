namespace MsResampler.Training.Tests.Optimisation;

/// <summary>Steps of the optimiser against numbers that a double-precision program in another language computed from
/// the formula.</summary>
internal sealed class AdamWTests
{
    private static readonly float[] s_start = [1, -2, 0.5f];

    private static readonly float[][] s_gradients = [[0.5f, -1, 0], [-0.25f, 2, 0.125f], [1, 0.5f, -0.5f]];

    private static readonly AdamWOptions s_options = new()
    {
        FirstMomentDecay = 0.9,
        SecondMomentDecay = 0.98,
        Epsilon = 1e-8,
        WeightDecay = 0.01,
    };

    // Three steps of at most 10 roundings each, relative 2^-24, of values up to 2.
    private const double Tolerance = 3 * 10 * 2 * 6e-8;

    private static readonly (bool HasDecay, double[][] Values)[] s_expected =
    [
        (true, [[0.899000002, -1.898000001, 0.4995], [0.871390231, -1.932607392, 0.424941312],
            [0.805067453, -1.972298857, 0.472118541]]),
        (false, [[0.900000002, -1.900000001, 0.5], [0.873289231, -1.936505392, 0.425940812],
            [0.807837844, -1.978129464, 0.473542982]]),
    ];

    /// <summary>The sizes are around one, two and four vectors of 16 elements.</summary>
    [Test]
    public void Three_steps_have_the_values_of_the_formula([Values(3, 15, 16, 17, 31, 33, 67)] int count,
        [Values] bool hasDecay)
    {
        TrainableTensor tensor = Create(hasDecay ? "x.weight" : "x.bias", hasDecay ? [1, count] : [count],
            index => s_start[index % 3]);
        AdamW optimiser = new([tensor], s_options);
        for (int step = 0; step < 3; step++)
        {
            for (int index = 0; index < count; index++)
                tensor.Gradient[index] = s_gradients[step][index % 3];
            optimiser.Step(0.1);
            double[] expected = s_expected.Single(expected => expected.HasDecay == hasDecay).Values[step];
            for (int index = 0; index < count; index++)
                Assert.That(tensor.Values[index], Is.EqualTo(expected[index % 3]).Within(Tolerance),
                    $"step {step}, element {index}");
        }
    }

    /// <summary>The square of 1e25 is beyond single precision, in vectors and in the elements after them.</summary>
    [Test]
    public void A_moment_that_overflows_is_an_error([Values(0, 31, 66)] int index)
    {
        TrainableTensor tensor = Create("x.bias", [67], _ => 1);
        AdamW optimiser = new([tensor], s_options);
        tensor.Gradient[index] = 1e25f;
        TrainingException exception = Assert.Throws<TrainingException>(() => optimiser.Step(0.1))!;
        Assert.That((exception.Step, exception.Name), Is.EqualTo((1L, "x.bias")));
        Assert.That(exception.Message, Does.Contain("squares of the gradient"));
    }

    /// <summary>Large tensors are updated in chunks of 65,536 elements.</summary>
    [Test]
    public void Threads_do_not_change_a_bit_of_large_tensors([Values(65_536, 65_537, 200_003)] int count)
    {
        float[] Run(int threadCount)
        {
            TrainableTensor tensor = Create("x.bias", [count], index => index % 97);
            AdamW optimiser = new([tensor], s_options with { ThreadCount = threadCount });
            for (int step = 0; step < 3; step++)
            {
                for (int index = 0; index < count; index++)
                    tensor.Gradient[index] = (index % 89) - (40 + step);
                optimiser.Step(0.1);
            }

            return tensor.Values.ToArray();
        }

        float[] expected = Run(1);
        Assert.That(Run(0).AsSpan().SequenceEqual(expected));
        Assert.That(Run(3).AsSpan().SequenceEqual(expected));
    }

    [Test]
    public void A_value_that_is_not_finite_is_found_in_every_chunk([Values(0, 70_000, 200_002)] int index)
    {
        TrainableTensor tensor = Create("x.bias", [200_003], _ => 1);
        AdamW optimiser = new([tensor], s_options with { ThreadCount = 2 });
        tensor.Gradient[index] = float.NaN;
        Assert.That(() => optimiser.Step(0.1), Throws.TypeOf<TrainingException>());
    }

    [Test]
    public void A_frozen_tensor_keeps_its_values_and_starts_with_its_own_first_step()
    {
        TrainableTensor frozen = Create("a.bias", [3], index => s_start[index]);
        TrainableTensor free = Create("b.bias", [3], index => s_start[index]);
        AdamW optimiser = new([frozen, free], s_options);
        frozen.IsFrozen = true;
        foreach (TrainableTensor tensor in optimiser.Tensors)
            s_gradients[0].CopyTo(tensor.Gradient);
        optimiser.Step(0.1);
        float[] first = free.Values.ToArray();
        Assert.That(frozen.Values.ToArray(), Is.EqualTo(s_start));
        frozen.IsFrozen = false;
        optimiser.Step(0.1);
        Assert.That(frozen.Values.ToArray(), Is.EqualTo(first));
    }

    [Test]
    public void A_factor_of_the_rate_is_the_product_over_matching_patterns()
    {
        TrainableTensor plain = Create("a.bias", [3], index => s_start[index]);
        TrainableTensor scaled = Create("b.log_sigma", [3], index => s_start[index]);
        AdamW optimiser = new([plain, scaled], s_options with
        {
            RateFactors = new Dictionary<string, double> { ["*.log_sigma"] = 8, ["b.*"] = 0.25 },
        });
        TrainableTensor expected = Create("a.bias", [3], index => s_start[index]);
        AdamW other = new([expected], s_options);
        foreach (TrainableTensor tensor in (TrainableTensor[])[plain, scaled, expected])
            s_gradients[0].CopyTo(tensor.Gradient);
        optimiser.Step(0.1);
        other.Step(0.2);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(scaled.Values.ToArray(), Is.EqualTo(expected.Values.ToArray()));
            Assert.That(plain.Values.ToArray(), Is.Not.EqualTo(expected.Values.ToArray()));
        }
    }

    [Test]
    public void Weights_that_overflow_stop_with_the_step_and_the_tensor([Values(0, 16)] int place)
    {
        TrainableTensor good = Create("a.bias", [17], _ => 1);
        TrainableTensor bad = Create("b.bias", [17], _ => 1);
        AdamW optimiser = new([good, bad], s_options);
        optimiser.Step(0.1);
        bad.Values[place] = float.MaxValue;
        bad.Gradient[place] = -1;
        TrainingException exception = Assert.Throws<TrainingException>(() => optimiser.Step(1e37))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exception.Step, Is.EqualTo(2));
            Assert.That(exception.Name, Is.EqualTo("b.bias"));
            Assert.That(exception.Message, Does.StartWith("step 2, b.bias: "));
        }
    }

    [TestCase(1.0, 0.98, 1e-8, 0.01, "FirstMomentDecay")]
    [TestCase(0.9, -0.1, 1e-8, 0.01, "SecondMomentDecay")]
    [TestCase(0.9, 0.98, 0.0, 0.01, "Epsilon")]
    [TestCase(0.9, 0.98, 1e-8, double.NaN, "WeightDecay")]
    public void An_option_out_of_range_is_named(double first, double second, double epsilon, double decay, string name)
    {
        AdamWOptions options = new()
        {
            FirstMomentDecay = first,
            SecondMomentDecay = second,
            Epsilon = epsilon,
            WeightDecay = decay,
        };
        Assert.That(() => new AdamW([Create("a.bias", [3], _ => 1)], options),
            Throws.ArgumentException.With.Message.StartsWith($"{name}: expected "));
    }

    [Test]
    public void Two_tensors_of_one_name_are_refused()
        => Assert.That(() => new AdamW([Create("a", [1], _ => 1), Create("a", [1], _ => 1)]),
            Throws.ArgumentException.With.Message.StartsWith("'a': expected each name once"));

    internal static TrainableTensor Create(string name, int[] shape, Func<int, float> valueAt)
        => new(name, shape, [.. Enumerable.Range(0, shape.Aggregate(1, (count, extent) => count * extent))
            .Select(valueAt)]);
}

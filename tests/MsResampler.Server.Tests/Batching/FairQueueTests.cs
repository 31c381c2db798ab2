using MsResampler.Server.Batching;

namespace MsResampler.Server.Tests.Batching;

/// <summary>Tests of <see cref="FairQueue{T}"/>. Items are the names of their clients and a number.</summary>
internal sealed class FairQueueTests
{
    [Test]
    public void ItemsOfAClientKeepTheirOrder()
    {
        FairQueue<string> queue = new();
        foreach (string item in new[] { "a1", "a2", "a3" })
            queue.Add("a", item);
        Assert.That(Serve(queue, 3, _ => 1), Is.EqualTo(new[] { "a1", "a2", "a3" }));
        Assert.That(queue.Next, Is.Null);
    }

    [Test]
    public void AClientWithOneItemComesNextHoweverManyAnotherHas()
    {
        FairQueue<string> queue = new();
        for (int index = 0; index < 100; index++)
            queue.Add("greedy", $"g{index}");
        Serve(queue, 10, _ => 1);
        queue.Add("modest", "m");
        Assert.That(Serve(queue, 2, _ => 1), Does.Contain("m"));
    }

    [Test]
    public void ClientsGetEqualWorkNotEqualNumbersOfItems()
    {
        FairQueue<string> queue = new();
        for (int index = 0; index < 1_000; index++)
        {
            queue.Add("small", "s");
            queue.Add("large", "l");
        }

        string[] served = Serve(queue, 600, item => item == "s" ? 1 : 7);
        int small = served.Count(item => item == "s");
        Assert.That(small, Is.EqualTo((600 - small) * 7).Within(7), "one item more or less");
    }

    [Test]
    public void AClientThatWasServedAheadWaitsWhenItReturns()
    {
        FairQueue<string> queue = new();
        queue.Add("b", "b1");
        queue.Add("b", "b2");
        queue.Add("b", "b3");
        queue.Add("a", "a1");
        Assert.That(Serve(queue, 2, item => item == "a1" ? 100 : 1), Is.EqualTo(new[] { "b1", "a1" }));
        queue.Add("a", "a2");
        Assert.That(Serve(queue, 3, _ => 1), Is.EqualTo(new[] { "b2", "b3", "a2" }));
    }

    [Test]
    public void AClientThatReturnsAfterEveryItemGetsNoMoreThanOneWithManyItems()
    {
        FairQueue<string> queue = new();
        for (int index = 0; index < 1_000; index++)
            queue.Add("many", "m");
        queue.Add("one", "o");
        int oneCount = 0;
        for (int turn = 0; turn < 600; turn++)
        {
            if (Serve(queue, 1, item => item == "o" ? 10 : 1)[0] == "m")
                continue;
            oneCount++;
            queue.Add("one", "o");
        }

        Assert.That(10 * oneCount, Is.EqualTo(600 - oneCount).Within(10), "one item more or less");
    }

    [Test]
    public void NewClientsWithoutEndDoNotStarveAWaitingOne()
    {
        FairQueue<string> queue = new();
        for (int index = 0; index < 10; index++)
            queue.Add("waiting", "w");
        queue.Add("other", "o");
        Assert.That(Serve(queue, 2, item => item == "w" ? 100 : 1), Is.EqualTo(new[] { "w", "o" }));
        List<string> served = [];
        for (int index = 0; index < 1_000; index++)
        {
            queue.Add($"new {index}", "n");
            served.AddRange(Serve(queue, 1, _ => 1));
        }

        // With two clients, the virtual time is 50.5 after the work of 101, and grows by 0.5 with each new one to 100.
        Assert.That(served.IndexOf("w"), Is.InRange(98, 100));
    }

    [Test]
    public void ClientsAreForgottenAlsoWhileTheQueueIsNeverEmpty()
    {
        FairQueue<string> queue = new();
        queue.Add("slow", "s");
        queue.Add("slow", "s");
        for (int index = 0; index < 10_000; index++)
        {
            queue.Add($"{index}", "x");
            // The new client's item is the last of the three at most.
            for (int turn = 0; turn < 3 && Serve(queue, 1, _ => 3)[0] == "s"; turn++)
                queue.Add("slow", "s");
            // A client's tag is 3 ahead at most, and the virtual time grows by 1.5 with each item.
            Assert.That(queue.ClientCount, Is.LessThan(6));
        }
    }

    [Test]
    public void RemovedItemsAreNotServed()
    {
        FairQueue<string> queue = new();
        FairQueue<string>.Place first = queue.Add("a", "a1");
        FairQueue<string>.Place only = queue.Add("b", "b1");
        queue.Add("a", "a2");
        queue.Remove(first);
        queue.Remove(only);
        Assert.That(queue.Count, Is.EqualTo(1));
        Assert.That(Serve(queue, 1, _ => 1), Is.EqualTo(new[] { "a2" }));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(queue.Next, Is.Null);
            Assert.That(queue.ClientCount, Is.Zero, "nobody waits");
        }
    }

    [Test]
    public void AnItemThatNeedsMoreWorkTakesTurnsWithOtherClients()
    {
        FairQueue<string> queue = new();
        queue.Add("a", "a");
        queue.Add("b", "b");
        List<string> served = [];
        for (int index = 0; index < 6; index++)
        {
            served.Add(queue.Next!);
            queue.Charge(1, removes: false);
        }

        Assert.That(served, Is.EqualTo(new[] { "a", "b", "a", "b", "a", "b" }));
    }

    private static string[] Serve(FairQueue<string> queue, int count, Func<string, double> cost)
    {
        string[] served = new string[count];
        for (int index = 0; index < count; index++)
        {
            served[index] = queue.Next!;
            queue.Charge(cost(served[index]), removes: true);
        }

        return served;
    }
}
